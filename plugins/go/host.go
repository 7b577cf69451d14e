package nightbell

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
)

// askTime is how long the host may take to answer.
const askTime = 30 * time.Second

// maxLog is how many bytes a line in the log may have.
const maxLog = 16_000

type deliveryKey struct{}

// Host is the hub that runs this plugin. An error in answer is an *RPCError.
type Host struct {
	// Version is the hub's; Features is what it can do beside the contract's core.
	Version  string
	Features []string

	peer   *peer
	mutex  sync.Mutex
	health Health
}

// Health is how a plugin is: ok, or degraded and why.
type Health struct {
	Status string `json:"status"`
	Detail string `json:"detail"`
}

// Ask asks any method of the contract, by its name; result may be nil.
func (it *Host) Ask(ctx context.Context, method string, params, result any) error {
	if it.peer == nil {
		return fault(failed, "there is no host yet: ask it in OnStart or later")
	}
	return it.peer.ask(ctx, method, params, askTime, result)
}

// Emit brings events into the hub, each like a body of POST /api/v1/events, and gives their ids when they are on disk.
// The key may be empty. The context is to be that of the function that is called: then the host knows what led to it.
// Needs the permission emit.
func (it *Host) Emit(ctx context.Context, idempotencyKey string, events ...any) ([]string, error) {
	params := because(ctx, map[string]any{"events": events})
	if idempotencyKey != "" {
		params["idempotency_key"] = idempotencyKey
	}
	var answer struct {
		IDs []string `json:"ids"`
	}
	err := it.Ask(ctx, "emit", params, &answer)
	return answer.IDs, err
}

// Incident reads an incident as the API shows it.
func (it *Host) Incident(ctx context.Context, id string, into any) error {
	return it.Ask(ctx, "incident.get", map[string]string{"id": id}, into)
}

// Act does something to an incident: acknowledge, resolve or note. Needs the permission act.
func (it *Host) Act(ctx context.Context, id, verb, by, note string) error {
	params := because(ctx, map[string]any{"id": id, "verb": verb, "by": by, "note": note})
	return it.Ask(ctx, "incident.act", params, nil)
}

// because adds the host's request that led to something, if one did.
func because(ctx context.Context, params map[string]any) map[string]any {
	if id, known := ctx.Value(requestKey{}).(json.RawMessage); known {
		params["because"] = id
	}
	return params
}

// Get reads what lies under a key, small state in the hub's database, and says whether there is anything.
func (it *Host) Get(ctx context.Context, key string, into any) (bool, error) {
	var answer struct {
		Value json.RawMessage `json:"value"`
	}
	err := it.Ask(ctx, "kv.get", map[string]string{"key": key}, &answer)
	var refused *RPCError
	if errors.As(err, &refused) && refused.Code == notFound {
		return false, nil
	}
	if err != nil || len(answer.Value) == 0 || string(answer.Value) == "null" {
		return false, err
	}
	return true, json.Unmarshal(answer.Value, into)
}

// Set puts a value of at most 64 KiB under a key of at most 128 bytes.
func (it *Host) Set(ctx context.Context, key string, value any) error {
	return it.Ask(ctx, "kv.set", map[string]any{"key": key, "value": value}, nil)
}

// Delete takes away what lies under a key.
func (it *Host) Delete(ctx context.Context, key string) error {
	return it.Ask(ctx, "kv.delete", map[string]string{"key": key}, nil)
}

// Keys are those that begin so.
func (it *Host) Keys(ctx context.Context, prefix string) ([]string, error) {
	var answer struct {
		Keys []string `json:"keys"`
	}
	err := it.Ask(ctx, "kv.list", map[string]string{"prefix": prefix}, &answer)
	return answer.Keys, err
}

// SettingsOf reads what a person, by name or id, has set for this plugin, with its defaults.
func (it *Host) SettingsOf(ctx context.Context, user string, into any) error {
	return it.settings(ctx, "user", user, into)
}

// SettingsFor reads what is set for a project or service.
func (it *Host) SettingsFor(ctx context.Context, project string, into any) error {
	return it.settings(ctx, "project", project, into)
}

func (it *Host) settings(ctx context.Context, whose, name string, into any) error {
	var answer struct {
		Settings json.RawMessage `json:"settings"`
	}
	if err := it.Ask(ctx, "settings.get", map[string]string{whose: name}, &answer); err != nil {
		return err
	}
	return json.Unmarshal(answer.Settings, into)
}

// Fetch asks another server through the hub's guarded client; only the hosts in the manifest.
func (it *Host) Fetch(
	ctx context.Context, method, url string, header map[string]string, data []byte,
) (Response, error) {
	params := struct {
		Method  string            `json:"method"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers,omitempty"`
		body
	}{method, url, header, body{}}
	if len(data) > 0 {
		params.body = bodyOf(data)
	}
	var answer struct {
		Status  int     `json:"status"`
		Headers headers `json:"headers"`
		body
	}
	if err := it.Ask(ctx, "fetch", params, &answer); err != nil {
		return Response{}, err
	}
	came, err := answer.bytes()
	all := map[string]string{}
	for name := range answer.Headers {
		all[name] = http.Header(answer.Headers).Get(name)
	}
	return Response{Status: answer.Status, Header: all, Body: came}, err
}

// Log writes a line into the plugin's log: debug, info, warning or error. It belongs to the delivery of the context,
// if there is one. Fields may be nil.
func (it *Host) Log(ctx context.Context, level, message string, fields map[string]any) {
	params := map[string]any{"level": level, "message": cut(message, maxLog)}
	if len(fields) > 0 {
		params["fields"] = fields
		// a field that cannot be written must not take the message with it
		if _, err := safely(func() ([]byte, error) { return json.Marshal(fields) }); err != nil {
			params["fields"] = map[string]string{"unwritable": cut(err.Error(), maxReason)}
		}
	}
	if id, _ := ctx.Value(deliveryKey{}).(string); id != "" {
		params["delivery"] = id
	}
	if it.peer != nil {
		it.peer.tell("log", params)
	}
}

// Status says how the plugin is: ok, or degraded and why.
func (it *Host) Status(status, detail string) {
	said := Health{status, cut(detail, maxReason)}
	it.mutex.Lock()
	changed := it.health != said
	it.health = said
	it.mutex.Unlock()
	if changed && it.peer != nil {
		it.peer.tell("status", said)
	}
}

func (it *Host) healthNow() Health {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	return it.health
}
