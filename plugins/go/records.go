package nightbell

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf8"
)

// Link is a link with its words.
type Link struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Alert is one incident as it was when the message was planned.
type Alert struct {
	// Incident is its id, for Host.Incident.
	Incident string `json:"incident"`
	// State is open, acknowledged or resolved.
	State string `json:"state"`
	// Severity is info, notice, warning, error or critical.
	Severity    string            `json:"severity"`
	Title       string            `json:"title"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartedAt   time.Time         `json:"started_at"`
	// EndsAt is when it was over; for an open one, when it will time out.
	EndsAt         *time.Time `json:"ends_at"`
	Link           string     `json:"link"`
	AcknowledgedBy *string    `json:"acknowledged_by"`
}

// Notification is what a receiver is told, not yet in words.
type Notification struct {
	IdempotencyKey string `json:"idempotency_key"`
	Reason         string `json:"reason"`
	Receiver       string `json:"receiver"`
	Route          string `json:"route"`
	// GroupKey is stable over time: a channel can thread by it.
	GroupKey          string            `json:"group_key"`
	GroupLabels       map[string]string `json:"group_labels"`
	CommonLabels      map[string]string `json:"common_labels"`
	CommonAnnotations map[string]string `json:"common_annotations"`
	// ExternalURL is where people reach Nightbell, without a slash at the end.
	ExternalURL string  `json:"external_url"`
	Alerts      []Alert `json:"alerts"`
	// Truncated counts the alerts that did not fit.
	Truncated int `json:"truncated"`
}

// Message is what to say, in words.
type Message struct {
	// Kind is firing, repeated, resolved, acknowledged or test.
	Kind         string       `json:"kind"`
	Title        string       `json:"title"`
	Body         string       `json:"body"`
	Facts        [][2]string  `json:"facts"`
	Actions      []Link       `json:"actions"`
	Link         string       `json:"link"`
	Severity     string       `json:"severity"`
	Notification Notification `json:"notification"`
}

// Person is somebody who is told.
type Person struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Email    string          `json:"email"`
	Settings json.RawMessage `json:"settings"`
}

// OfProject is what is set for a project or service, after the plugin's schema for projects.
type OfProject struct {
	Name     string          `json:"name"`
	Settings json.RawMessage `json:"settings"`
}

// Delivery is a message for one destination.
type Delivery struct {
	ID string `json:"id"`
	// Key is the idempotency key: the same over all retries.
	Key        string `json:"key"`
	DeadlineMs int64  `json:"deadline_ms"`
	Kind       string `json:"kind"`
	// Destination is its name: receiver, kind, number.
	Destination string `json:"destination"`
	// Settings are those of this destination, with defaults filled in, for json.Unmarshal.
	Settings   json.RawMessage `json:"settings"`
	Message    Message         `json:"message"`
	Recipients []Person        `json:"recipients"`
	OnDuty     []Person        `json:"on_duty"`
	// Projects are those that it is about, for plugins with a schema for projects.
	Projects []OfProject `json:"projects"`
}

// Event is something that happened in the hub.
type Event struct {
	Topic string          `json:"topic"`
	ID    string          `json:"id"`
	At    time.Time       `json:"at"`
	Data  json.RawMessage `json:"data"`
}

// Request is one to a route of the plugin's.
type Request struct {
	// Route is its pattern, and Arguments is what stood in the pattern's places.
	Route     string
	Arguments map[string]string
	Method    string
	Path      string
	Query     string
	Header    http.Header
	// Principal is who asks; empty for a route that anybody may ask.
	Principal string
	Body      []byte
}

// Response is the answer to a request.
type Response struct {
	// Status is 200 when it is left out.
	Status int
	Header map[string]string
	Body   []byte
}

// JSON is a response with this value.
func JSON(status int, value any) (Response, error) {
	body, err := json.Marshal(value)
	return Response{Status: status, Header: map[string]string{"content-type": "application/json"}, Body: body}, err
}

// body is a body as the wire carries it: text, or bytes in base64.
type body struct {
	Text   *string `json:"body,omitempty"`
	Base64 *string `json:"body_base64,omitempty"`
}

func bodyOf(data []byte) body {
	if utf8.Valid(data) {
		text := string(data)
		return body{Text: &text}
	}
	text := base64.StdEncoding.EncodeToString(data)
	return body{Base64: &text}
}

func (it body) bytes() ([]byte, error) {
	if it.Base64 != nil {
		return base64.StdEncoding.DecodeString(*it.Base64)
	}
	if it.Text != nil {
		return []byte(*it.Text), nil
	}
	return nil, nil
}

// headers are those of the wire: pairs, or an object.
type headers http.Header

func (it *headers) UnmarshalJSON(data []byte) error {
	all := http.Header{}
	var pairs [][2]string
	if json.Unmarshal(data, &pairs) == nil {
		for _, pair := range pairs {
			all.Add(pair[0], pair[1])
		}
	} else {
		var object map[string]string
		if err := json.Unmarshal(data, &object); err != nil {
			return err
		}
		for name, value := range object {
			all.Set(name, value)
		}
	}
	*it = headers(all)
	return nil
}

// Outcome is what came of a delivery. The zero value means: delivered.
type Outcome struct {
	Outcome string `json:"outcome"`
	Receipt string `json:"receipt,omitempty"`
	Reason  string `json:"reason,omitempty"`
	AfterMs int64  `json:"after_ms,omitempty"`
	// Fault is destination (it is down: this is the default) or pace (it wants less).
	Fault string `json:"fault,omitempty"`
	// Status is a number, as of HTTP; Text is what the other side answered, of which the first kilobyte is kept.
	Status int    `json:"status,omitempty"`
	Text   string `json:"text,omitempty"`
}

const (
	maxReason = 2000
	maxText   = 1024
)

// Delivered: the other side has it; receipt is what it calls it.
func Delivered(receipt string) Outcome { return Outcome{Outcome: "delivered", Receipt: receipt} }

// Retry: not this time.
func Retry(reason string) Outcome { return Outcome{Outcome: "retry", Reason: reason} }

// RetryAfter: not before this has passed, since it wants less.
func RetryAfter(reason string, wait time.Duration) Outcome {
	return Outcome{Outcome: "retry", Reason: reason, Fault: "pace", AfterMs: wait.Milliseconds()}
}

// Rejected: not ever, it goes to the dead letters.
func Rejected(reason string) Outcome { return Outcome{Outcome: "rejected", Reason: reason} }

// Skipped: there was nobody to tell, and that is right.
func Skipped(reason string) Outcome { return Outcome{Outcome: "skipped", Reason: reason} }

// With adds what the other side answered.
func (it Outcome) With(status int, text string) Outcome {
	it.Status, it.Text = status, text
	return it
}

func (it Outcome) checked() Outcome {
	if it.Outcome == "" {
		it.Outcome = "delivered"
	}
	it.Reason, it.Receipt, it.Text = cut(it.Reason, maxReason), cut(it.Receipt, maxText), cut(it.Text, maxText)
	if it.AfterMs < 0 {
		it.AfterMs = 0
	}
	return it
}

// cut is the beginning of a text, of at most so many bytes and whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// Check is what a check found; the zero value means that all is well.
type Check struct {
	// Status is passing, warning or failing.
	Status string            `json:"status"`
	Detail string            `json:"detail"`
	Labels map[string]string `json:"labels"`
}

// TicketRequest is what a ticket is wanted for.
type TicketRequest struct {
	// Key is the same for the same incident.
	Key string `json:"key"`
	// Incident is as the API shows it, for json.Unmarshal.
	Incident json.RawMessage `json:"incident"`
	By       string          `json:"by"`
	Note     string          `json:"note"`
}

// Ticket is one that was made, or was there already.
type Ticket struct {
	ID    string `json:"id"`
	URL   string `json:"url"`
	Title string `json:"title"`
}

// Invalid says which settings are wrong: a path, such as room, and what is wrong with it.
type Invalid map[string]string

func (it Invalid) Error() string {
	text, _ := json.Marshal(map[string]string(it))
	return "settings are wrong: " + string(text)
}

// Misconfigured is an error that only a person can mend. Given back by OnConfigure or OnStart, or handed to Fail: the
// plugin is not started anew before something changes.
type Misconfigured string

func (it Misconfigured) Error() string { return string(it) }
