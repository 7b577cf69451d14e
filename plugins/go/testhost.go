package nightbell

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// startTime is how long each step of a plugin's start may take in a test.
const startTime = 10 * time.Second

// TestHost is a hub for tests: it runs a plugin in this process, from hello to shutdown, and keeps what it says.
//
//	host, err := nightbell.NewTestHost(plugin, settings)
//	defer host.Close()
//	outcome, err := host.Deliver("bell", target, nightbell.Message{Title: "Disk is full"})
type TestHost struct {
	// Provides and Features are what the plugin said of itself.
	Provides map[string]json.RawMessage
	Features []string

	plugin *Plugin
	peer   *peer
	mutex  sync.Mutex
	said   Said
	count  int
}

// Said is what a plugin has said to a TestHost so far.
type Said struct {
	Logs     []LogLine
	Statuses []Health
	// Emitted are the events that it brought in, Acts is what it did to incidents.
	Emitted []json.RawMessage
	Acts    []map[string]string
	// Keys is what it keeps in the hub.
	Keys map[string]json.RawMessage
}

// LogLine is one line of a plugin's log.
type LogLine struct {
	Level    string         `json:"level"`
	Message  string         `json:"message"`
	Fields   map[string]any `json:"fields"`
	Delivery string         `json:"delivery"`
}

// Answers replace what a TestHost answers by itself, by method, such as fetch or incident.get.
type Answers map[string]func(params json.RawMessage) (any, error)

// NewTestHost starts a plugin with these settings; those that it refuses are an error. A plugin is started once.
func NewTestHost(plugin *Plugin, settings any, answers ...Answers) (*TestHost, error) {
	it := &TestHost{plugin: plugin, said: Said{Keys: map[string]json.RawMessage{}}}
	own := it.answers()
	for _, more := range answers {
		for name, answer := range more {
			answer := answer
			own[name] = func(_ context.Context, params json.RawMessage) (any, error) { return answer(params) }
		}
	}
	it.peer = newPeer(own, func(string) (func(), error) { return func() {}, nil })
	it.peer.notes = map[string]func(json.RawMessage){"log": it.logged, "status": it.isNow}
	plugin.Host.peer = newPeer(plugin.methods(), plugin.enter)
	connect(it.peer, plugin.Host.peer)
	connect(plugin.Host.peer, it.peer)
	if err := it.start(settings); err != nil {
		it.Close()
		return nil, err
	}
	return it, nil
}

// connect has one end hear what the other says.
func connect(from, to *peer) {
	reader, writer := io.Pipe()
	go func() { _ = from.write(writer); _ = writer.Close() }()
	go to.read(reader)
}

func (it *TestHost) start(settings any) error {
	var hello struct {
		Features []string
		Provides map[string]json.RawMessage
	}
	about := map[string]any{
		"protocol": map[string]int{"min": contract, "max": contract},
		"host":     map[string]string{"name": "nightbell", "version": "0.0.0"},
		"features": []string{"emit", "fetch", "incident", "kv", "settings"},
		"plugin":   map[string]string{"id": "test"},
	}
	if err := it.ask("hello", about, startTime, &hello); err != nil {
		return err
	}
	it.Features, it.Provides = hello.Features, hello.Provides
	if settings == nil {
		settings = nothing{}
	}
	var refused struct{ Errors []json.RawMessage }
	given := map[string]any{"settings": settings, "generation": 1, "dry_run": false}
	if err := it.ask("configure", given, startTime, &refused); err != nil {
		return err
	}
	if len(refused.Errors) > 0 {
		return fmt.Errorf("the plugin refuses its settings: %s", refused.Errors)
	}
	return it.ask("start", nothing{}, startTime, nil)
}

// Close stops the plugin as the hub does.
func (it *TestHost) Close() {
	// one that has no answer has nothing more to do either
	_ = it.ask("drain", nothing{}, stopTime, nil)
	_ = it.ask("shutdown", nothing{}, stopTime, nil)
	it.plugin.Host.peer.close()
	it.peer.close()
}

// Ask asks the plugin any method of the contract; result may be nil.
func (it *TestHost) Ask(method string, params, result any) error {
	return it.ask(method, params, askTime, result)
}

func (it *TestHost) ask(method string, params any, within time.Duration, result any) error {
	return it.peer.ask(context.Background(), method, params, within, result)
}

// Deliver has a message delivered with these settings, and gives what came of it.
func (it *TestHost) Deliver(kind string, settings any, message Message, projects ...OfProject) (Outcome, error) {
	it.mutex.Lock()
	it.count++
	id := fmt.Sprintf("delivery-%d", it.count)
	it.mutex.Unlock()
	raw, err := json.Marshal(settings)
	if err != nil {
		return Outcome{}, err
	}
	if message.Kind == "" {
		message.Kind = "firing"
	}
	one := Delivery{
		ID: id, Key: "key-" + id, Kind: kind, DeadlineMs: defaultDeadline.Milliseconds(),
		Destination: "ops/" + kind + "/0", Settings: raw, Message: message, Projects: projects,
	}
	var came struct{ Outcomes []told }
	if err := it.Ask("deliver", map[string]any{"deliveries": []Delivery{one}}, &came); err != nil {
		return Outcome{}, err
	}
	for _, one := range came.Outcomes {
		if one.ID == id {
			return one.Outcome, nil
		}
	}
	return Outcome{}, fmt.Errorf("the answer says nothing of the delivery: %v", came)
}

// Events has a subscription hear a batch.
func (it *TestHost) Events(subscription string, events ...Event) error {
	return it.Ask("events", map[string]any{"subscription": subscription, "events": events}, nil)
}

// Said is what the plugin has said so far.
func (it *TestHost) Said() Said {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	now := it.said
	now.Keys = map[string]json.RawMessage{}
	for name, value := range it.said.Keys {
		now.Keys[name] = value
	}
	return now
}

// Until waits until something holds of what the plugin has said, for five seconds at the most.
func (it *TestHost) Until(holds func(Said) bool) bool {
	for begun := time.Now(); time.Since(begun) < 5*time.Second; time.Sleep(time.Millisecond) {
		if holds(it.Said()) {
			return true
		}
	}
	return false
}

func (it *TestHost) logged(params json.RawMessage) {
	var line LogLine
	if json.Unmarshal(params, &line) == nil {
		it.mutex.Lock()
		defer it.mutex.Unlock()
		it.said.Logs = append(it.said.Logs, line)
	}
}

func (it *TestHost) isNow(params json.RawMessage) {
	var now Health
	if json.Unmarshal(params, &now) == nil {
		it.mutex.Lock()
		defer it.mutex.Unlock()
		it.said.Statuses = append(it.said.Statuses, now)
	}
}

// answers are those of a hub that has nothing but what the plugin itself brings.
func (it *TestHost) answers() map[string]method {
	type keyed struct {
		Key, Prefix string
		Value       json.RawMessage
	}
	locked := func(serve func(*keyed) any) method {
		return with(func(_ context.Context, params *keyed) (any, error) {
			it.mutex.Lock()
			defer it.mutex.Unlock()
			return serve(params), nil
		})
	}
	return map[string]method{
		"emit": with(func(_ context.Context, params *struct{ Events []json.RawMessage }) (any, error) {
			it.mutex.Lock()
			defer it.mutex.Unlock()
			ids := []string{}
			for range params.Events {
				ids = append(ids, fmt.Sprintf("event-%d", len(it.said.Emitted)+len(ids)))
			}
			it.said.Emitted = append(it.said.Emitted, params.Events...)
			return map[string]any{"ids": ids}, nil
		}),
		"incident.act": with(func(_ context.Context, params *struct{ ID, Verb, By, Note string }) (any, error) {
			it.mutex.Lock()
			defer it.mutex.Unlock()
			act := map[string]string{"id": params.ID, "verb": params.Verb, "by": params.By, "note": params.Note}
			it.said.Acts = append(it.said.Acts, act)
			return nothing{}, nil
		}),
		"kv.get": locked(func(params *keyed) any { return map[string]any{"value": it.said.Keys[params.Key]} }),
		"kv.set": locked(func(params *keyed) any { it.said.Keys[params.Key] = params.Value; return nothing{} }),
		"kv.delete": locked(func(params *keyed) any {
			delete(it.said.Keys, params.Key)
			return nothing{}
		}),
		"kv.list": locked(func(params *keyed) any {
			keys := []string{}
			for name := range it.said.Keys {
				if strings.HasPrefix(name, params.Prefix) {
					keys = append(keys, name)
				}
			}
			return map[string]any{"keys": keys}
		}),
	}
}
