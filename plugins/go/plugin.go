// Package nightbell is for plugins of Nightbell: a Plugin, functions in it, and Run. Standard library only. Functions
// run side by side; the context that each is given ends with its time, and when nobody waits for its answer any more.
package nightbell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

const (
	// Version is that of this package.
	Version = "0.1.0"
	// contract is the number of the contract that this is written for.
	contract = 1
	// defaultDeadline is for a delivery or a check that names no time.
	defaultDeadline = 10 * time.Second
	// stopTime is how long the plugin's functions for its end may take together: the host waits 5 seconds.
	stopTime = 4 * time.Second
	// firstRest and longestRest pass before background work that failed begins anew: at first, and at most.
	firstRest, longestRest = time.Second, time.Minute
	// flushTime is how long what was said last may take to be read.
	flushTime = 2 * time.Second
	// misconfiguredStatus is the exit status that says: only a person can mend it.
	misconfiguredStatus = 78
)

// Schema is JSON Schema, such as map[string]any{"type": "object"}.
type Schema = any

// Kind is what the host is told of a kind of destination.
type Kind struct {
	Title string `json:"title,omitempty"`
	About string `json:"about,omitempty"`
	Docs  string `json:"docs,omitempty"`
	// Audience is people or machines, which get everything during a storm.
	Audience string `json:"audience,omitempty"`
	// Deduplicates says whether it drops what it has seen under one idempotency key.
	Deduplicates bool   `json:"deduplicates,omitempty"`
	Settings     Schema `json:"settings,omitempty"`
	TestOptions  Schema `json:"test_options,omitempty"`
	// MostAlerts is how many alerts one message may have.
	MostAlerts int `json:"most_alerts,omitempty"`
}

// Wants is what a subscription is to be told of.
type Wants struct {
	// Topics are such as incident.opened, or incident.* for all of a sort.
	Topics []string `json:"topics"`
	// Sources are those whose events are told, of the topic event.accepted; none: all.
	Sources []string `json:"sources,omitempty"`
	// Batch is how many come in one call; 0: as many as the host likes.
	Batch int `json:"batch,omitempty"`
}

type destination struct {
	facts map[string]any
	batch bool
	tell  func(context.Context, []*Delivery) []Outcome
}

type route struct {
	Path    string   `json:"path"`
	Methods []string `json:"methods"`
	Auth    string   `json:"auth"`
	answers map[string]func(context.Context, *Request) (Response, error)
}

// Plugin is what a plugin provides. Everything is added before Run, but routes, which may be added in OnStart, too.
type Plugin struct {
	// Host is what may be asked of the hub.
	Host *Host
	// ID, Folder and State are the plugin's name, where its files lie, and the folder that it may write to; known from
	// OnConfigure on.
	ID, Folder, State string
	// Schemas are those of settings, user and project.
	Schemas map[string]Schema
	// Health is called every few seconds, and gives what is wrong, or nothing; may be nil.
	Health func(context.Context) string

	destinations  map[string]*destination
	subscriptions map[string]func(context.Context, []Event) error
	checks        map[string]func(context.Context, json.RawMessage) (Check, error)
	tests         map[string]func(ctx context.Context, settings, options json.RawMessage) Outcome
	validators    map[[2]string]func(json.RawMessage) (any, error)
	ticket        func(context.Context, *TicketRequest) (Ticket, error)
	routes        []*route
	provides      map[string][]any
	backgrounds   []func(context.Context) error
	configurers   []func(context.Context, json.RawMessage) error
	starters      []func(context.Context) error
	stoppers      []func(context.Context)

	mutex    sync.Mutex
	settings json.RawMessage
	draining bool
	working  sync.WaitGroup
	running  sync.WaitGroup
	life     context.Context
	end      context.CancelFunc
	stopping sync.Once
}

// New is a plugin that provides nothing yet.
func New() *Plugin {
	life, end := context.WithCancel(context.Background())
	return &Plugin{
		Host:          &Host{health: Health{Status: "ok"}},
		Schemas:       map[string]Schema{},
		destinations:  map[string]*destination{},
		subscriptions: map[string]func(context.Context, []Event) error{},
		checks:        map[string]func(context.Context, json.RawMessage) (Check, error){},
		tests:         map[string]func(context.Context, json.RawMessage, json.RawMessage) Outcome{},
		validators:    map[[2]string]func(json.RawMessage) (any, error){},
		provides:      map[string][]any{"destinations": {}, "subscriptions": {}, "checks": {}},
		settings:      json.RawMessage("{}"),
		life:          life,
		end:           end,
	}
}

// Settings reads the plugin's own settings, as they are now.
func (it *Plugin) Settings(into any) error {
	it.mutex.Lock()
	settings := it.settings
	it.mutex.Unlock()
	return json.Unmarshal(settings, into)
}

// Destination adds a kind of destination. A panic means: try again.
func (it *Plugin) Destination(kind string, facts Kind, tell func(context.Context, *Delivery) Outcome) {
	it.addDestination(kind, facts, 0, func(ctx context.Context, deliveries []*Delivery) []Outcome {
		return []Outcome{tell(ctx, deliveries[0])}
	})
}

// Batches adds a kind of destination that is told up to so many deliveries at once, and gives an outcome for each.
func (it *Plugin) Batches(kind string, facts Kind, most int, tell func(context.Context, []*Delivery) []Outcome) {
	it.addDestination(kind, facts, most, tell)
}

func (it *Plugin) addDestination(
	kind string, facts Kind, batch int, tell func(context.Context, []*Delivery) []Outcome,
) {
	twice(it.destinations[kind] != nil, kind)
	all := object(facts)
	all["kind"] = kind
	if batch > 1 {
		all["batch"] = batch
	}
	it.destinations[kind] = &destination{all, batch > 1, tell}
	it.provides["destinations"] = append(it.provides["destinations"], all)
}

// Subscription adds things that happen in the hub; the same ones come again after an error.
func (it *Plugin) Subscription(name string, wants Wants, hear func(context.Context, []Event) error) {
	twice(it.subscriptions[name] != nil, name)
	facts := object(wants)
	facts["name"] = name
	it.subscriptions[name] = hear
	it.provides["subscriptions"] = append(it.provides["subscriptions"], facts)
}

// Route adds requests to /plugins/ID and this path, such as /item/<id>. Auth is token or none.
func (it *Plugin) Route(method, path, auth string, answer func(context.Context, *Request) (Response, error)) {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	// the methods of a path that the same people may use are one route
	var open *route
	for _, known := range it.routes {
		if known.Path == path {
			twice(known.answers[method] != nil, method+" "+path)
			if known.Auth == auth {
				open = known
			}
		}
	}
	if open == nil {
		answers := map[string]func(context.Context, *Request) (Response, error){}
		open = &route{path, nil, auth, answers}
		it.routes = append(it.routes, open)
	}
	open.Methods = append(open.Methods, method)
	open.answers[method] = answer
}

// Check adds something to look at now and then. Facts are its title, about and settings; may be nil.
func (it *Plugin) Check(kind string, facts map[string]any, look func(context.Context, json.RawMessage) (Check, error)) {
	twice(it.checks[kind] != nil, kind)
	all := map[string]any{"kind": kind}
	for name, value := range facts {
		all[name] = value
	}
	it.checks[kind] = look
	it.provides["checks"] = append(it.provides["checks"], all)
}

// Test adds a test of a destination of this kind. Without one, a test is a delivery of a message of kind test.
func (it *Plugin) Test(kind string, send func(ctx context.Context, settings, options json.RawMessage) Outcome) {
	twice(it.tests[kind] != nil, kind)
	it.tests[kind] = send
}

// Validate looks at settings that their schema has let through: of destination (of this kind), settings, user or
// project. The error may be Invalid; a value that is not nil takes the place of what was given.
func (it *Plugin) Validate(what, kind string, look func(json.RawMessage) (any, error)) {
	it.validators[[2]string{what, kind}] = look
}

// Ticket makes tickets of incidents: for the same key, the one that there is.
func (it *Plugin) Ticket(make func(context.Context, *TicketRequest) (Ticket, error)) { it.ticket = make }

// Background adds work that goes on from start to stop, when the context ends; begun anew, after a while, when it
// gives an error.
func (it *Plugin) Background(work func(context.Context) error) {
	it.backgrounds = append(it.backgrounds, work)
}

// OnConfigure is called with the settings when they are there, and whenever they change; the error may be Invalid.
func (it *Plugin) OnConfigure(call func(context.Context, json.RawMessage) error) {
	it.configurers = append(it.configurers, call)
}

// OnStart is called before there is work.
func (it *Plugin) OnStart(call func(context.Context) error) { it.starters = append(it.starters, call) }

// OnStop is called at the end; the last that was added is called first.
func (it *Plugin) OnStop(call func(context.Context)) { it.stoppers = append(it.stoppers, call) }

// Fail ends the program; with Misconfigured, it is not started anew before something changes.
func Fail(err error) {
	var person Misconfigured
	if errors.As(err, &person) {
		leave(misconfiguredStatus, err.Error())
	}
	leave(1, err.Error())
}

// Run serves the host over standard input and output until it ends us. What is printed goes to the plugin's log.
func (it *Plugin) Run() {
	in, out := guard()
	it.Host.peer = newPeer(it.methods(), it.enter)
	ended := make(chan struct{}, 3)
	go func() {
		it.Host.peer.read(in)
		ended <- struct{}{}
	}()
	written := make(chan struct{})
	go func() {
		// without anybody who reads there is nothing left to do
		_ = it.Host.peer.write(out)
		ended <- struct{}{}
		close(written)
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-ended:
	case <-signals:
	}
	it.close()
	it.Host.peer.close()
	select {
	case <-written:
	case <-time.After(flushTime):
	}
	leave(0, "")
}

func twice(is bool, what string) {
	if is {
		panic(fmt.Sprintf("%q is there twice", what))
	}
}

// object is a value as a JSON object.
func object(value any) map[string]any {
	text, err := json.Marshal(value)
	all := map[string]any{}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		panic(err)
	}
	return all
}

// safely makes an error of a panic.
func safely[T any](call func() (T, error)) (result T, err error) {
	defer func() {
		if said := recover(); said != nil {
			log.Printf("panic: %v\n%s", said, debug.Stack())
			err = fmt.Errorf("panic: %v", said)
		}
	}()
	return call()
}
