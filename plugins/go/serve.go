package nightbell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"
)

// with makes a method of a function that is given its parameters as a value.
func with[P any](serve func(context.Context, *P) (any, error)) method {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		params := new(P)
		if err := json.Unmarshal(raw, params); err != nil {
			return nil, fault(wrongParameters, "%s", err)
		}
		return serve(ctx, params)
	}
}

type nothing struct{}

func (it *Plugin) methods() map[string]method {
	all := map[string]method{
		"hello":     with(it.hello),
		"configure": with(it.configure),
		"start":     with(it.start),
		"deliver":   with(it.deliver),
		"request":   with(it.request),
		"health":    with(it.healthy),
		"drain":     with(it.drain),
		"shutdown":  with(it.shutdown),
	}
	// what there is nothing for is no method of this plugin
	if len(it.subscriptions) > 0 {
		all["events"] = with(it.events)
	}
	if len(it.checks) > 0 {
		all["check"] = with(it.check)
	}
	if len(it.tests) > 0 {
		all["test"] = with(it.test)
	}
	if it.ticket != nil {
		all["ticket"] = with(func(ctx context.Context, params *TicketRequest) (any, error) {
			made, err := it.ticket(ctx, params)
			return made, err
		})
	}
	if len(it.validators) > 0 {
		all["validate"] = with(it.validate)
	}
	return all
}

func (it *Plugin) hello(_ context.Context, params *struct {
	Protocol struct{ Min, Max *int }
	Host     struct{ Version string }
	Features []string
	Plugin   struct{ ID, Folder, State string }
}) (any, error) {
	least, most := params.Protocol.Min, params.Protocol.Max
	if least != nil && *least > contract || most != nil && *most < contract {
		return nil, fault(wrongParameters, "this plugin speaks contract %d only", contract)
	}
	it.ID, it.Folder, it.State = params.Plugin.ID, params.Plugin.Folder, params.Plugin.State
	it.Host.Version, it.Host.Features = params.Host.Version, params.Features
	features := []string{}
	for what := range it.validators {
		if what[0] != "settings" && len(features) == 0 {
			features = append(features, "validate")
		}
	}
	if len(it.tests) > 0 {
		features = append(features, "test")
	}
	if it.ticket != nil {
		features = append(features, "ticket")
	}
	provides := map[string]any{"routes": it.routesAfter(nil)}
	for name, facts := range it.provides {
		provides[name] = facts
	}
	for name, schema := range it.Schemas {
		provides[name] = schema
	}
	sdk := "nightbell-plugin-go " + Version
	return map[string]any{"protocol": contract, "sdk": sdk, "features": features, "provides": provides}, nil
}

// name is by what a route is known: a path may have one for everybody, and one for some.
func (it *route) name() string { return it.Auth + " " + it.Path }

// routesAfter are the routes, without the methods that were there before.
func (it *Plugin) routesAfter(before map[string]int) []route {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	added := []route{}
	for _, known := range it.routes {
		if methods := known.Methods[before[known.name()]:]; len(methods) > 0 {
			added = append(added, route{Path: known.Path, Methods: methods, Auth: known.Auth})
		}
	}
	return added
}

func wrongSettings(err error) any {
	type wrong struct {
		Path    string `json:"path"`
		Message string `json:"message"`
	}
	var all []wrong
	var invalid Invalid
	var person Misconfigured
	switch {
	case errors.As(err, &invalid):
		for path, message := range invalid {
			all = append(all, wrong{path, message})
		}
	case errors.As(err, &person):
		all = append(all, wrong{"", err.Error()})
	default:
		return nil
	}
	return map[string]any{"errors": all}
}

func (it *Plugin) configure(ctx context.Context, params *struct {
	Settings json.RawMessage
	DryRun   bool `json:"dry_run"`
}) (any, error) {
	settings := params.Settings
	if len(settings) == 0 {
		settings = json.RawMessage("{}")
	}
	it.mutex.Lock()
	before := it.settings
	it.mutex.Unlock()
	// also a panic leaves the settings that there were
	_, err := safely(func() (nothing, error) { return nothing{}, it.reconfigure(ctx, settings, params.DryRun) })
	if err == nil {
		return nothing{}, nil
	}
	it.set(before)
	if errors := wrongSettings(err); errors != nil {
		return errors, nil
	}
	return nil, err
}

func (it *Plugin) reconfigure(ctx context.Context, settings json.RawMessage, dryRun bool) error {
	if look := it.validators[[2]string{"settings", ""}]; look != nil {
		cleaned, err := look(settings)
		if err == nil && cleaned != nil {
			settings, err = json.Marshal(cleaned)
		}
		if err != nil {
			return err
		}
	}
	if dryRun {
		return nil
	}
	it.set(settings)
	for _, call := range it.configurers {
		if err := call(ctx, settings); err != nil {
			return err
		}
	}
	return nil
}

func (it *Plugin) set(settings json.RawMessage) {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	it.settings = settings
}

func (it *Plugin) start(ctx context.Context, _ *nothing) (any, error) {
	before := map[string]int{}
	for _, known := range it.routesAfter(nil) {
		before[known.name()] = len(known.Methods)
	}
	for _, call := range it.starters {
		if err := call(ctx); err != nil {
			var person Misconfigured
			if errors.As(err, &person) {
				Fail(err)
			}
			return nil, err
		}
	}
	for _, work := range it.backgrounds {
		it.running.Add(1)
		go it.background(work)
	}
	if added := it.routesAfter(before); len(added) > 0 {
		return map[string]any{"routes": added}, nil
	}
	return nothing{}, nil
}

func (it *Plugin) background(work func(context.Context) error) {
	defer it.running.Done()
	for pause := firstRest; ; pause = min(pause*2, longestRest) {
		begun := time.Now()
		_, err := safely(func() (nothing, error) { return nothing{}, work(it.life) })
		if err == nil || it.life.Err() != nil {
			return
		}
		log.Printf("background work failed and begins anew: %v", err)
		it.Host.Status("degraded", err.Error())
		// what went well for a while begins with a short rest again
		if time.Since(begun) > longestRest {
			pause = firstRest
		}
		select {
		case <-time.After(pause):
			it.Host.Status("ok", "")
		case <-it.life.Done():
			return
		}
	}
}

func min(one, other time.Duration) time.Duration {
	if one < other {
		return one
	}
	return other
}

// enter counts what is under way, and refuses more of it once the end has begun.
func (it *Plugin) enter(name string) (func(), error) {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	switch name {
	case "deliver", "events", "request", "ticket":
		if it.draining {
			return nil, fault(notNow, "the plugin is stopping")
		}
		it.working.Add(1)
		return it.working.Done, nil
	case "drain":
		it.draining = true
	}
	return func() {}, nil
}

type told struct {
	ID string `json:"id"`
	Outcome
}

func (it *Plugin) deliver(ctx context.Context, params *struct{ Deliveries []*Delivery }) (any, error) {
	var calls [][]*Delivery
	batches := map[string]int{}
	for _, one := range params.Deliveries {
		if one == nil {
			return nil, fault(wrongParameters, "deliveries is a list of objects")
		}
		at, known := batches[one.Kind]
		if kind := it.destinations[one.Kind]; kind != nil && kind.batch && known {
			calls[at] = append(calls[at], one)
			continue
		}
		batches[one.Kind] = len(calls)
		calls = append(calls, []*Delivery{one})
	}
	parts := make(chan []told, len(calls))
	for _, call := range calls {
		go func(call []*Delivery) { parts <- it.tell(ctx, call) }(call)
	}
	outcomes := []told{}
	for range calls {
		outcomes = append(outcomes, <-parts...)
	}
	return map[string]any{"outcomes": fitting(outcomes)}, nil
}

// fitting are the same, with shorter words where they would not fit into a line together.
func fitting(all []told) []told {
	length := 0
	for _, one := range all {
		length += len(one.Reason) + len(one.Text) + len(one.Receipt)
	}
	// a byte has at most six in JSON
	if length*6 > MaxLine/2 {
		most := MaxLine / (32 * len(all))
		for n := range all {
			one := &all[n]
			one.Reason, one.Text, one.Receipt = cut(one.Reason, most), cut(one.Text, most), cut(one.Receipt, most)
		}
	}
	return all
}

// tell is one call of a destination's function: for a list, or for the one delivery in it.
func (it *Plugin) tell(ctx context.Context, deliveries []*Delivery) []told {
	deadline := defaultDeadline
	for n, one := range deliveries {
		if own := time.Duration(one.DeadlineMs) * time.Millisecond; own > 0 && (n == 0 || own < deadline) {
			deadline = own
		}
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	if len(deliveries) == 1 {
		ctx = context.WithValue(ctx, deliveryKey{}, deliveries[0].ID)
	}
	done := make(chan []Outcome, 1)
	go func() { done <- it.call(ctx, deliveries) }()
	var came []Outcome
	select {
	case came = <-done:
	case <-ctx.Done():
		// what is still done is not over: the host sees that it is stuck
		<-done
		came = []Outcome{Retry(fmt.Sprintf("not done within %s", deadline))}
	}
	if len(came) != len(deliveries) && len(came) != 1 {
		why := fmt.Sprintf("the plugin gave %d outcomes for %d deliveries", len(came), len(deliveries))
		came = []Outcome{Retry(why)}
	}
	all := make([]told, len(deliveries))
	for n, one := range deliveries {
		all[n] = told{one.ID, came[n%len(came)].checked()}
	}
	return all
}

func (it *Plugin) call(ctx context.Context, deliveries []*Delivery) []Outcome {
	destination := it.destinations[deliveries[0].Kind]
	if destination == nil {
		return []Outcome{Retry(fmt.Sprintf("this plugin has no destination of kind %q", deliveries[0].Kind))}
	}
	came, err := safely(func() ([]Outcome, error) { return destination.tell(ctx, deliveries), nil })
	if err != nil {
		return []Outcome{Retry(err.Error())}
	}
	return came
}

func (it *Plugin) test(ctx context.Context, params *struct {
	Kind              string
	Settings, Options json.RawMessage
}) (any, error) {
	send := it.tests[params.Kind]
	if send == nil {
		message := Message{Kind: "test", Title: "Test", Body: "A test message", Severity: "info"}
		one := &Delivery{ID: "test", Key: "test", Kind: params.Kind, Settings: params.Settings, Message: message}
		return it.tell(ctx, []*Delivery{one})[0].Outcome, nil
	}
	came, err := safely(func() (Outcome, error) { return send(ctx, params.Settings, params.Options), nil })
	if err != nil {
		came = Retry(err.Error())
	}
	return came.checked(), nil
}

func (it *Plugin) validate(_ context.Context, params *struct {
	What, Kind string
	Value      json.RawMessage
}) (any, error) {
	look := it.validators[[2]string{params.What, params.Kind}]
	if look == nil {
		look = it.validators[[2]string{params.What, ""}]
	}
	var cleaned any
	var err error
	if look != nil {
		cleaned, err = look(params.Value)
	}
	if err != nil {
		if errors := wrongSettings(err); errors != nil {
			return errors, nil
		}
		return nil, err
	}
	if cleaned == nil {
		cleaned = params.Value
	}
	return map[string]any{"value": cleaned}, nil
}

func (it *Plugin) events(ctx context.Context, params *struct {
	Subscription string
	Events       []Event
}) (any, error) {
	hear := it.subscriptions[params.Subscription]
	if hear == nil {
		return nil, fault(notFound, "there is no subscription %q", params.Subscription)
	}
	return nothing{}, hear(ctx, params.Events)
}

func (it *Plugin) request(ctx context.Context, params *struct {
	Route, Method, Path, Query string
	Arguments                  map[string]string
	Headers                    headers
	Principal                  struct{ Name string }
	body
}) (any, error) {
	data, err := params.bytes()
	if err != nil {
		return nil, fault(wrongParameters, "body_base64: %s", err)
	}
	it.mutex.Lock()
	var known *route
	var answer func(context.Context, *Request) (Response, error)
	for _, one := range it.routes {
		if one.Path == params.Route {
			known = one
			if own := one.answers[strings.ToUpper(params.Method)]; own != nil {
				answer = own
			}
		}
	}
	it.mutex.Unlock()
	if known == nil {
		return nil, fault(notFound, "there is no route %q", params.Route)
	}
	came := Response{Status: http.StatusMethodNotAllowed, Body: []byte("the route has no such method")}
	if answer != nil {
		request := Request{
			Route: params.Route, Arguments: params.Arguments, Method: params.Method, Path: params.Path,
			Query: params.Query, Header: http.Header(params.Headers), Principal: params.Principal.Name, Body: data,
		}
		if came, err = answer(ctx, &request); err != nil {
			return nil, err
		}
	}
	if came.Status == 0 {
		came.Status = http.StatusOK
	}
	return struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		body
	}{came.Status, came.Header, bodyOf(came.Body)}, nil
}

func (it *Plugin) check(ctx context.Context, params *struct {
	Kind       string
	Settings   json.RawMessage
	DeadlineMs int64 `json:"deadline_ms"`
}) (any, error) {
	look := it.checks[params.Kind]
	if look == nil {
		return nil, fault(notFound, "there is no check %q", params.Kind)
	}
	deadline := time.Duration(params.DeadlineMs) * time.Millisecond
	if deadline <= 0 {
		deadline = defaultDeadline
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	found, err := guarded(ctx, func(ctx context.Context, settings json.RawMessage) (any, error) {
		found, err := look(ctx, settings)
		return found, err
	}, params.Settings)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("the check did not end in time")
	}
	if err != nil {
		return Check{Status: "failing", Detail: cut(err.Error(), maxReason), Labels: map[string]string{}}, nil
	}
	passed, _ := found.(Check)
	if passed.Status == "" {
		passed.Status = "passing"
	}
	if passed.Labels == nil {
		passed.Labels = map[string]string{}
	}
	passed.Detail = cut(passed.Detail, maxReason)
	return passed, nil
}

func (it *Plugin) healthy(ctx context.Context, _ *nothing) (any, error) {
	if it.Health != nil {
		if wrong := it.Health(ctx); wrong != "" {
			return Health{"degraded", cut(wrong, maxReason)}, nil
		}
	}
	return it.Host.healthNow(), nil
}

func (it *Plugin) drain(context.Context, *nothing) (any, error) {
	it.working.Wait()
	return nothing{}, nil
}

func (it *Plugin) shutdown(context.Context, *nothing) (any, error) {
	it.close()
	return nothing{}, nil
}

// close ends background work and calls the plugin's functions for its end, once.
func (it *Plugin) close() {
	it.mutex.Lock()
	it.draining = true
	it.mutex.Unlock()
	it.stopping.Do(func() {
		it.end()
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			it.running.Wait()
			for n := len(it.stoppers) - 1; n >= 0; n-- {
				_, _ = safely(func() (nothing, error) {
					it.stoppers[n](ctx)
					return nothing{}, nil
				})
			}
		}()
		select {
		case <-done:
		case <-ctx.Done():
			log.Printf("the plugin's end took more than %s", stopTime)
		}
	})
}
