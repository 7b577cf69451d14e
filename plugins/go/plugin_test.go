package nightbell

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test's own program is the guest as well: what the hub starts is a process.
func TestMain(m *testing.M) {
	if os.Getenv("NIGHTBELL_PLUGIN") == "" {
		os.Exit(m.Run())
	}
	fmt.Println("printed at the beginning")
	_, _ = syscall.Write(1, []byte("written to 1\n"))
	child := exec.Command("echo", "by a child")
	child.Stdin, child.Stdout = os.Stdin, os.Stdout
	if err := child.Run(); err != nil {
		panic(err)
	}
	if os.Getenv("MISCONFIGURED") != "" {
		Fail(Misconfigured("set a word"))
	}
	guest().Run()
}

func guest() *Plugin {
	plugin := New()
	plugin.Schemas["settings"] = map[string]any{"type": "object"}
	release := make(chan struct{})
	plugin.Destination("one", Kind{Title: "One"}, func(ctx context.Context, it *Delivery) Outcome {
		var settings struct{ Do string }
		if err := json.Unmarshal(it.Settings, &settings); err != nil {
			return Rejected(err.Error())
		}
		switch settings.Do {
		case "delivered":
			return Delivered("r-1").With(201, strings.Repeat("x", 5000))
		case "retry":
			return RetryAfter("down", 1500*time.Millisecond)
		case "rejected":
			return Rejected("no such room")
		case "panics":
			panic("a is not a function")
		case "slow":
			<-ctx.Done()
			plugin.Host.Log(ctx, "info", "aborted", nil)
		case "stuck":
			<-release
		case "release":
			close(release)
		case "logs":
			plugin.Host.Log(ctx, "warning", "it creaks <&>", map[string]any{"n": 1})
		case "long":
			return Retry(fmt.Sprint(plugin.Host.Set(ctx, "long", strings.Repeat("x", MaxLine))))
		}
		return Outcome{}
	})
	plugin.Batches("many", Kind{}, 64, func(_ context.Context, all []*Delivery) []Outcome {
		outcomes := make([]Outcome, len(all))
		for n, one := range all {
			if bytes.Contains(one.Settings, []byte("short")) {
				return nil
			}
			if bytes.Contains(one.Settings, []byte("long")) {
				outcomes[n] = Rejected(strings.Repeat("\x01", 5000)).With(500, strings.Repeat("\x01", 5000))
			}
			if bytes.Contains(one.Settings, []byte("no")) {
				outcomes[n] = Rejected("no")
			}
		}
		return outcomes
	})
	plugin.Subscription("hears", Wants{Topics: []string{"incident.*"}}, func(ctx context.Context, events []Event) error {
		_, err := plugin.Host.Emit(ctx, "k", map[string]string{"key": events[0].ID})
		return err
	})
	plugin.Route("GET", "/item/<id>", "token", func(_ context.Context, it *Request) (Response, error) {
		return JSON(0, map[string]string{"id": it.Arguments["id"], "accept": it.Header.Get("accept")})
	})
	plugin.Route("POST", "/item/<id>", "token", func(_ context.Context, it *Request) (Response, error) {
		return Response{Status: 201, Body: append(it.Body, 0xff)}, nil
	})
	answers := func(context.Context, *Request) (Response, error) { return Response{}, nil }
	plugin.Route("GET", "/open", "none", answers)
	plugin.Route("HEAD", "/open", "none", answers)
	plugin.Route("POST", "/open", "token", answers)
	plugin.Check("disk", nil, func(_ context.Context, settings json.RawMessage) (Check, error) {
		if string(settings) != "{}" {
			return Check{}, errors.New("full")
		}
		return Check{Status: "warning", Detail: "nearly full"}, nil
	})
	plugin.Test("one", func(_ context.Context, _, options json.RawMessage) Outcome {
		return Delivered("tested " + string(options))
	})
	plugin.Validate("destination", "one", func(value json.RawMessage) (any, error) {
		if string(value) == "{}" {
			return nil, Invalid{"do": "what is to be done?"}
		}
		return map[string]bool{"cleaned": true}, nil
	})
	plugin.OnConfigure(func(_ context.Context, settings json.RawMessage) error {
		if bytes.Contains(settings, []byte("bad")) {
			return Invalid{"word": "is bad"}
		}
		return nil
	})
	plugin.OnStart(func(context.Context) error {
		plugin.Route("PUT", "/open", "token", answers)
		plugin.Route("GET", "/later", "none", answers)
		return nil
	})
	plugin.OnStop(func(context.Context) { fmt.Println("the end of", plugin.ID) })
	plugin.Background(func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
	return plugin
}

// hub is a process of the guest, as the hub runs it.
type hub struct {
	t       *testing.T
	command *exec.Cmd
	in      io.WriteCloser
	lines   chan map[string]any
	log     *bytes.Buffer
	next    int
	asked   []map[string]any
}

func start(t *testing.T, env ...string) *hub {
	t.Helper()
	it := &hub{t: t, command: exec.Command(os.Args[0]), lines: make(chan map[string]any, 64), log: &bytes.Buffer{}}
	it.command.Env = append(env, "NIGHTBELL_PLUGIN=guest", "PATH="+os.Getenv("PATH"))
	it.command.Stderr = it.log
	in, err := it.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	it.in = in
	out, err := it.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := it.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = it.command.Process.Kill() })
	go func() {
		defer close(it.lines)
		for reader := bufio.NewReader(out); ; {
			line, err := reader.ReadBytes('\n')
			if err != nil {
				return
			}
			var came map[string]any
			if json.Unmarshal(line, &came) != nil {
				came = map[string]any{"garbage": string(line)}
			}
			it.lines <- came
		}
	}()
	return it
}

func (it *hub) say(what any) {
	it.t.Helper()
	line, _ := json.Marshal(what)
	it.raw(string(line) + "\n")
}

func (it *hub) raw(text string) {
	it.t.Helper()
	if _, err := fmt.Fprint(it.in, text); err != nil {
		it.t.Fatal(err)
	}
}

// hear gives the next answer; what the guest asks is noted and answered.
func (it *hub) hear() map[string]any {
	it.t.Helper()
	for {
		select {
		case came, open := <-it.lines:
			if !open {
				it.t.Fatalf("it is gone: %s", it.log)
			}
			if came["method"] == nil {
				return came
			}
			it.asked = append(it.asked, came)
			if came["id"] != nil {
				it.say(map[string]any{"id": came["id"], "result": map[string]any{"ids": []string{"1"}}})
			}
		case <-time.After(20 * time.Second):
			it.t.Fatalf("nothing is heard: %s", it.log)
		}
	}
}

func (it *hub) send(method string, params any) {
	it.t.Helper()
	it.next++
	it.say(map[string]any{"jsonrpc": "2.0", "id": it.next, "method": method, "params": params})
}

func (it *hub) ask(method string, params any) any {
	it.t.Helper()
	it.send(method, params)
	came := it.hear()
	if came["id"] != float64(it.next) {
		it.t.Fatalf("not the answer to %s: %v", method, came)
	}
	if wrong, _ := came["error"].(map[string]any); wrong != nil {
		return wrong["code"]
	}
	return came["result"]
}

func delivery(id, kind string, settings map[string]any, deadline int) map[string]any {
	message := map[string]any{"title": "t", "notification": map[string]any{"alerts": nil}}
	return map[string]any{
		"id": id, "key": id, "kind": kind, "deadline_ms": deadline, "settings": settings, "message": message,
	}
}

func (it *hub) begin() (map[string]any, any) {
	it.t.Helper()
	protocol := map[string]int{"min": 1, "max": 2}
	hello := it.ask("hello", map[string]any{"protocol": protocol, "plugin": map[string]string{"id": "guest"}, "x": 1})
	it.ask("configure", map[string]any{"settings": map[string]any{}, "generation": 1})
	said, _ := hello.(map[string]any)
	return said, it.ask("start", map[string]any{})
}

func (it *hub) end(status int) {
	it.t.Helper()
	for range it.lines { // until it has closed its output
	}
	_ = it.command.Wait()
	if found := it.command.ProcessState.ExitCode(); found != status {
		it.t.Fatalf("it ended with %d, not %d: %s", found, status, it.log)
	}
}

func same(t *testing.T, found any, wanted string) {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(wanted), &value); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(found, value) {
		text, _ := json.Marshal(found)
		t.Fatalf("%s\nis not\n%s", text, wanted)
	}
}

func TestItSaysWhatItProvidesAndPrintsNothingToTheWire(t *testing.T) {
	it := start(t)
	hello, started := it.begin()
	same(t, hello["features"], `["validate", "test"]`)
	provides, _ := hello["provides"].(map[string]any)
	same(t, provides["destinations"], `[{"kind": "one", "title": "One"}, {"kind": "many", "batch": 64}]`)
	// what one method of a path asks for says nothing of another
	same(t, provides["routes"], `[{"path": "/item/<id>", "methods": ["GET", "POST"], "auth": "token"},
		{"path": "/open", "methods": ["GET", "HEAD"], "auth": "none"},
		{"path": "/open", "methods": ["POST"], "auth": "token"}]`)
	same(t, started, `{"routes": [{"path": "/open", "methods": ["PUT"], "auth": "token"},
		{"path": "/later", "methods": ["GET"], "auth": "none"}]}`)
	same(t, it.ask("shutdown", nil), `{}`)
	it.in.Close()
	it.end(0)
	for _, said := range []string{"printed at the beginning", "written to 1", "by a child", "the end of guest"} {
		if !strings.Contains(it.log.String(), said) {
			t.Errorf("%q is not in %s", said, it.log)
		}
	}
}

func TestAContractThatItDoesNotSpeakIsRefused(t *testing.T) {
	it := start(t)
	same(t, it.ask("hello", map[string]any{"protocol": map[string]int{"min": 2, "max": 3}}), `-32602`)
}

func TestWhatOnlyAPersonCanMendEndsItWith78(t *testing.T) {
	it := start(t, "MISCONFIGURED=1")
	it.end(78)
	if !strings.Contains(it.log.String(), "nightbell-plugin: set a word") {
		t.Error(it.log)
	}
}

func TestEachOutcomeIsToldAsItWasMeant(t *testing.T) {
	it := start(t)
	it.begin()
	long := strings.Repeat("x", 1024)
	for what, wanted := range map[string]string{
		"delivered": `"outcome": "delivered", "receipt": "r-1", "status": 201, "text": "` + long + `"`,
		"nothing":   `"outcome": "delivered"`,
		"retry":     `"outcome": "retry", "reason": "down", "fault": "pace", "after_ms": 1500`,
		"rejected":  `"outcome": "rejected", "reason": "no such room"`,
		"panics":    `"outcome": "retry", "reason": "panic: a is not a function"`,
		"long":      `"outcome": "retry", "reason": "1048654 bytes are more than a line may have (1048576)"`,
	} {
		one := delivery("d0", "one", map[string]any{"do": what}, 5000)
		told := it.ask("deliver", map[string]any{"deliveries": []any{one}})
		same(t, told, `{"outcomes": [{"id": "d0", `+wanted+`}]}`)
	}
	one := delivery("d0", "nobody", nil, 5000)
	told := it.ask("deliver", map[string]any{"deliveries": []any{one}})
	same(t, told, `{"outcomes": [{"id": "d0", "outcome": "retry",
		"reason": "this plugin has no destination of kind \"nobody\""}]}`)
	same(t, it.ask("deliver", map[string]any{"deliveries": []any{nil}}), `-32602`)
	same(t, it.ask("deliver", map[string]any{"deliveries": 7}), `-32602`)
}

func TestABatchIsOneCallAndWhatIsNotInItIsNotLost(t *testing.T) {
	it := start(t)
	it.begin()
	many := func(id string, settings map[string]any) any { return delivery(id, "many", settings, 5000) }
	told := it.ask("deliver", map[string]any{"deliveries": []any{many("a", nil), many("b", map[string]any{"no": 1})}})
	same(t, told, `{"outcomes": [{"id": "a", "outcome": "delivered"},
		{"id": "b", "outcome": "rejected", "reason": "no"}]}`)
	all := make([]any, 64)
	for n := range all {
		all[n] = many(fmt.Sprint(n), map[string]any{"long": 1})
	}
	long, _ := it.ask("deliver", map[string]any{"deliveries": all}).(map[string]any)
	if outcomes, _ := long["outcomes"].([]any); len(outcomes) != 64 {
		t.Errorf("%d outcomes: %v", len(outcomes), long)
	}
	short := it.ask("deliver", map[string]any{"deliveries": []any{many("a", nil), many("b", map[string]any{"short": 1})}})
	reason := `"outcome": "retry", "reason": "the plugin gave 0 outcomes for 2 deliveries"`
	same(t, short, `{"outcomes": [{"id": "a", `+reason+`}, {"id": "b", `+reason+`}]}`)
}

func TestTimeAndPatienceEndADeliveryAndItsFunctionIsTold(t *testing.T) {
	it := start(t)
	it.begin()
	slow := func(id string, deadline int) any {
		return map[string]any{"deliveries": []any{delivery(id, "one", map[string]any{"do": "slow"}, deadline)}}
	}
	same(t, it.ask("deliver", slow("d0", 50)),
		`{"outcomes": [{"id": "d0", "outcome": "retry", "reason": "not done within 50ms"}]}`)
	it.send("deliver", slow("d1", 60_000))
	it.say(map[string]any{"method": "$/cancel", "params": map[string]int{"id": it.next}})
	if wrong, _ := it.hear()["error"].(map[string]any); wrong["code"] != float64(cancelled) {
		t.Error(wrong)
	}
	for n := 0; n < 100 && len(it.asked) < 2; n++ {
		it.ask("health", nil)
	}
	for n, id := range []string{"d0", "d1"} {
		same(t, it.asked[n]["params"], `{"level": "info", "message": "aborted", "delivery": "`+id+`"}`)
	}
}

func TestWhatIsStuckIsNotAnsweredSoThatTheHubSeesIt(t *testing.T) {
	it := start(t)
	it.begin()
	do := func(id, what string) any {
		return map[string]any{"deliveries": []any{delivery(id, "one", map[string]any{"do": what}, 20)}}
	}
	it.send("deliver", do("d0", "stuck"))
	stuck := float64(it.next)
	it.say(map[string]any{"method": "$/cancel", "params": map[string]any{"id": stuck}})
	// it would be an answer to none of these
	for n := 0; n < 50; n++ {
		it.ask("health", nil)
	}
	it.send("deliver", do("d1", "release"))
	for _, one := range []map[string]any{it.hear(), it.hear()} {
		wrong, _ := one["error"].(map[string]any)
		if one["id"] == stuck && wrong["code"] != float64(cancelled) {
			t.Error(one)
		}
	}
}

func TestTheHubIsAskedAndWhatItAnswersComesBack(t *testing.T) {
	it := start(t)
	it.begin()
	events := []any{map[string]any{"topic": "t", "id": "e1", "at": "2026-01-31T12:00:00.25Z"}}
	same(t, it.ask("events", map[string]any{"subscription": "hears", "events": events}), `{}`)
	same(t, it.asked[0]["params"],
		fmt.Sprintf(`{"because": %d, "events": [{"key": "e1"}], "idempotency_key": "k"}`, it.next))
	logs := delivery("d0", "one", map[string]any{"do": "logs"}, 5000)
	it.ask("deliver", map[string]any{"deliveries": []any{logs}})
	same(t, it.asked[1]["params"],
		`{"level": "warning", "message": "it creaks <&>", "fields": {"n": 1}, "delivery": "d0"}`)
	same(t, it.ask("events", map[string]any{"subscription": "nobody"}), `-32004`)
}

func TestRoutesChecksTestsAndSettings(t *testing.T) {
	it := start(t)
	it.begin()
	request := func(method string) any {
		return it.ask("request", map[string]any{
			"route": "/item/<id>", "arguments": map[string]string{"id": "7"}, "method": method,
			"headers": [][]string{{"Accept", "a/b"}}, "body": "b", "principal": map[string]any{},
		})
	}
	same(t, request("get"), `{"status": 200, "headers": {"content-type": "application/json"},
		"body": "{\"accept\":\"a/b\",\"id\":\"7\"}"}`)
	same(t, request("POST"), `{"status": 201, "headers": null, "body_base64": "Yv8="}`)
	same(t, request("PUT"), `{"status": 405, "headers": null, "body": "the route has no such method"}`)
	same(t, it.ask("check", map[string]any{"kind": "disk", "settings": map[string]any{}}),
		`{"status": "warning", "detail": "nearly full", "labels": {}}`)
	same(t, it.ask("check", map[string]any{"kind": "disk", "settings": map[string]any{"a": 1}}),
		`{"status": "failing", "detail": "full", "labels": {}}`)
	same(t, it.ask("test", map[string]any{"kind": "one", "options": 2}),
		`{"outcome": "delivered", "receipt": "tested 2"}`)
	validate := func(value any) any {
		return it.ask("validate", map[string]any{"what": "destination", "kind": "one", "value": value})
	}
	same(t, validate(map[string]any{}), `{"errors": [{"path": "do", "message": "what is to be done?"}]}`)
	same(t, validate(map[string]any{"do": 1}), `{"value": {"cleaned": true}}`)
	same(t, it.ask("configure", map[string]any{"settings": map[string]any{"word": "bad"}}),
		`{"errors": [{"path": "word", "message": "is bad"}]}`)
}

func TestOddMessagesAreAnsweredAndTheNextIsUnderstood(t *testing.T) {
	it := start(t)
	it.begin()
	it.raw("{\"id\": 1, \n\n[]\n{\"jsonrpc\": \"2.0\"}\n{\"method\": \"start\", \"id\": null}\n")
	it.raw("{\"method\": \"start\", \"id\": 1.5}\n{\"method\": 7, \"id\": 1}\n{\"id\": 99, \"result\": 1}\n")
	it.raw("{\"method\": \"health\", \"id\": \"p\", \"params\": []}\n" + strings.Repeat("x", MaxLine+5) + "\n\xff\n")
	codes := []any{}
	for len(codes) < 9 {
		wrong, _ := it.hear()["error"].(map[string]any)
		codes = append(codes, wrong["code"])
	}
	same(t, codes, `[-32700, -32600, -32600, -32600, -32600, -32600, -32602, -32600, -32700]`)
	same(t, it.ask("nothing", nil), `-32601`)
}

func TestWhatIsUnderWayIsFinishedBeforeTheEndAndNothingNewIsBegun(t *testing.T) {
	it := start(t)
	it.begin()
	slow := delivery("d0", "one", map[string]any{"do": "slow"}, 200)
	it.send("deliver", map[string]any{"deliveries": []any{slow}})
	it.send("drain", nil)
	it.send("deliver", map[string]any{"deliveries": []any{}})
	refused, _ := it.hear()["error"].(map[string]any)
	same(t, refused["code"], `-32006`)
	same(t, []any{it.hear()["id"], it.hear()["id"]}, fmt.Sprintf("[%d, %d]", it.next-2, it.next-1))
	if err := it.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	it.end(0)
}

func TestASubscriptionSaysWhatItWants(t *testing.T) {
	plugin := New()
	hear := func(context.Context, []Event) error { return nil }
	plugin.Subscription("all", Wants{Topics: []string{"incident.*"}}, hear)
	wants := Wants{Topics: []string{"event.accepted"}, Sources: []string{"ci"}, Batch: 3}
	plugin.Subscription("some", wants, hear)
	host, err := NewTestHost(plugin, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	var said any
	if err := json.Unmarshal(host.Provides["subscriptions"], &said); err != nil {
		t.Fatal(err)
	}
	same(t, said, `[{"name": "all", "topics": ["incident.*"]},
		{"batch": 3, "name": "some", "sources": ["ci"], "topics": ["event.accepted"]}]`)
}

func TestAnErrorOfAnyLengthIsToldAndAPanicLeavesTheSettingsThatThereWere(t *testing.T) {
	plugin := New()
	plugin.Subscription("hears", Wants{Topics: []string{"incident.*"}}, func(context.Context, []Event) error {
		return &RPCError{7, strings.Repeat("x", MaxLine)}
	})
	plugin.OnConfigure(func(_ context.Context, settings json.RawMessage) error {
		if bytes.Contains(settings, []byte("bad")) {
			panic("bad")
		}
		return nil
	})
	host, err := NewTestHost(plugin, map[string]string{"word": "good"})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	var wrong *RPCError
	if err := host.Events("hears", Event{}); !errors.As(err, &wrong) || wrong.Code != 7 || len(wrong.Message) != maxError {
		t.Fatal(err)
	}
	plugin.Host.Log(context.Background(), "info", "it creaks", map[string]any{"value": cannotBeWritten{}})
	if !host.Until(func(said Said) bool { return len(said.Logs) == 1 }) || host.Said().Logs[0].Message != "it creaks" {
		t.Fatal(host.Said())
	}
	given := map[string]any{"settings": map[string]string{"word": "bad"}}
	if err := host.Ask("configure", given, nil); err == nil {
		t.Fatal("it took settings that it panics of")
	}
	var now struct{ Word string }
	if err := plugin.Settings(&now); err != nil || now.Word != "good" {
		t.Fatal(now, err)
	}
}

type cannotBeWritten struct{}

func (cannotBeWritten) MarshalJSON() ([]byte, error) { panic("not to be written") }

func TestAHostForTestsRunsAPluginAndKeepsWhatItSays(t *testing.T) {
	plugin := New()
	plugin.Destination("one", Kind{}, func(ctx context.Context, it *Delivery) Outcome {
		plugin.Host.Log(ctx, "info", "told "+it.Message.Title, nil)
		var own struct{ Room string }
		if len(it.Projects) > 0 && json.Unmarshal(it.Projects[0].Settings, &own) == nil {
			return Delivered(own.Room)
		}
		return Outcome{}
	})
	plugin.Ticket(func(_ context.Context, asked *TicketRequest) (Ticket, error) {
		return Ticket{ID: "T-" + asked.Key}, nil
	})
	// a panic where an answer is written must cost that answer alone
	plugin.Validate("user", "", func(json.RawMessage) (any, error) { return cannotBeWritten{}, nil })
	plugin.OnConfigure(func(_ context.Context, settings json.RawMessage) error {
		if bytes.Contains(settings, []byte("bad")) {
			return Invalid{"word": "is bad"}
		}
		return nil
	})
	asked := Answers{"settings.get": func(params json.RawMessage) (any, error) {
		return map[string]any{"settings": map[string]string{"asked": string(params)}}, nil
	}}
	host, err := NewTestHost(plugin, map[string]string{"word": "good"}, asked)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	var wrong *RPCError
	if err := host.Ask("validate", map[string]any{"what": "user", "value": 1}, nil); !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	var ticket Ticket
	if err := host.Ask("ticket", map[string]any{"key": "7"}, &ticket); err != nil || ticket.ID != "T-7" {
		t.Fatal(ticket, err)
	}
	if len(host.Features) != 2 || host.Features[1] != "ticket" {
		t.Fatal(host.Features)
	}
	shop := OfProject{Name: "shop", Settings: json.RawMessage(`{"room": "desk"}`)}
	came, err := host.Deliver("one", nil, Message{Title: "it"}, shop)
	if err != nil || came.Outcome != "delivered" || came.Receipt != "desk" {
		t.Fatal(came, err)
	}
	if !host.Until(func(said Said) bool { return len(said.Logs) == 1 }) {
		t.Fatal(host.Said())
	}
	if line := host.Said().Logs[0]; line.Message != "told it" || line.Delivery != "delivery-1" {
		t.Fatal(line)
	}
	var set struct{ Asked string }
	if err := plugin.Host.SettingsOf(context.Background(), "ann", &set); err != nil || set.Asked != `{"user":"ann"}` {
		t.Fatal(set, err)
	}
	if _, err := NewTestHost(New(), 1); err != nil {
		t.Fatal(err)
	}
	other := New()
	other.OnConfigure(plugin.configurers[0])
	if _, err := NewTestHost(other, "bad"); err == nil || !strings.Contains(err.Error(), "is bad") {
		t.Fatal(err)
	}
}
