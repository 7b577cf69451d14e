package nightbell

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// MaxLine is how many bytes one message may have, with the end of its line.
	MaxLine = 1 << 20
	// maxCalls is how many requests a plugin may have under way.
	maxCalls = 64
	// maxServed is how many requests of the other side are served at once; the host keeps to fewer.
	maxServed = 256
	// maxBacklog is how many bytes may wait for the other side to read before notifications are dropped.
	maxBacklog = 4 * MaxLine
	// maxError is how many bytes an error's message may have.
	maxError = 2000
)

const (
	notJSON         = -32700
	notARequest     = -32600
	noSuchMethod    = -32601
	wrongParameters = -32602
	failed          = -32603
	timeOver        = -32001
	cancelled       = -32002
	notFound        = -32004
	tooMuch         = -32005
	notNow          = -32006
)

// RPCError is an error that a request was answered with.
type RPCError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (it *RPCError) Error() string { return it.Message }

func fault(code int, format string, words ...any) *RPCError {
	return &RPCError{code, cut(fmt.Sprintf(format, words...), maxError)}
}

// faultOf is an error as an answer carries it.
func faultOf(err error) *RPCError {
	var known *RPCError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.Canceled):
		return fault(cancelled, "cancelled")
	default:
		return fault(failed, "%s", err)
	}
}

type message struct {
	ID     json.RawMessage `json:"id"`
	Method *string         `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// requestKey leads to the id of the other side's request that is being served.
type requestKey struct{}

type method func(ctx context.Context, params json.RawMessage) (any, error)

// peer is one end of the wire: it answers what the other side asks, and asks the other side.
type peer struct {
	methods map[string]method
	// enter is called for each request, in the order in which they came; what it gives is called at the end.
	enter func(name string) (func(), error)
	// notes hear what the other side tells; may be nil.
	notes map[string]func(json.RawMessage)

	mutex   sync.Mutex
	tasks   map[string]context.CancelFunc
	calls   map[string]chan message
	credit  chan struct{}
	next    uint64
	out     [][]byte
	backlog int
	wake    chan struct{}
	gone    chan struct{}
	once    sync.Once
}

func newPeer(methods map[string]method, enter func(string) (func(), error)) *peer {
	return &peer{
		methods: methods,
		enter:   enter,
		tasks:   map[string]context.CancelFunc{},
		calls:   map[string]chan message{},
		credit:  make(chan struct{}, maxCalls),
		wake:    make(chan struct{}, 1),
		gone:    make(chan struct{}),
	}
}

// read takes in lines until there are no more.
func (it *peer) read(from io.Reader) {
	reader := bufio.NewReaderSize(from, 64<<10)
	for {
		line, err := readLine(reader)
		switch {
		case errors.Is(err, bufio.ErrTooLong):
			it.fail(nil, fault(notARequest, "a line is longer than %d bytes", MaxLine))
		case err != nil:
			return
		case len(bytes.TrimSpace(line)) > 0:
			it.take(line)
		}
	}
}

// readLine gives the next line without its end; one that is too long is read to its end and not kept.
func readLine(reader *bufio.Reader) ([]byte, error) {
	var line []byte
	tooLong := false
	for {
		part, err := reader.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(part) > MaxLine; !tooLong {
			line = append(line, part...)
		}
		if err == nil && tooLong {
			return nil, bufio.ErrTooLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSuffix(line, []byte("\n")), err
		}
	}
}

func (it *peer) take(line []byte) {
	var came message
	if !json.Valid(line) {
		it.fail(nil, fault(notJSON, "not JSON"))
		return
	}
	if line = bytes.TrimSpace(line); line[0] != '{' || json.Unmarshal(line, &came) != nil {
		it.fail(nil, fault(notARequest, "a message is an object with a method, or an answer"))
		return
	}
	switch {
	case came.Method != nil && came.ID == nil:
		it.noted(*came.Method, came.Params)
	case came.Method != nil && !isID(came.ID):
		it.fail(nil, fault(notARequest, "an id is an integer or a string"))
	case came.Method != nil:
		it.asked(came.ID, *came.Method, came.Params)
	case came.Result != nil || came.Error != nil:
		it.answered(came)
	default:
		it.fail(nil, fault(notARequest, "neither a request nor an answer"))
	}
}

func isID(id json.RawMessage) bool {
	var number int64
	return id[0] == '"' || string(id) != "null" && json.Unmarshal(id, &number) == nil
}

func (it *peer) noted(name string, params json.RawMessage) {
	var told struct {
		ID json.RawMessage `json:"id"`
	}
	if name == "$/cancel" && json.Unmarshal(params, &told) == nil {
		it.mutex.Lock()
		cancel := it.tasks[string(told.ID)]
		it.mutex.Unlock()
		if cancel != nil {
			cancel()
		}
	}
	if hear := it.notes[name]; hear != nil {
		hear(params)
	}
}

func (it *peer) asked(id json.RawMessage, name string, params json.RawMessage) {
	serve := it.methods[name]
	if serve == nil {
		it.fail(id, fault(noSuchMethod, "there is no method %q", cut(name, 100)))
		return
	}
	if len(params) == 0 || string(params) == "null" {
		params = json.RawMessage("{}")
	}
	if params[0] != '{' {
		it.fail(id, fault(wrongParameters, "the parameters of %s are an object", name))
		return
	}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), requestKey{}, id))
	if wrong := it.begin(string(id), cancel); wrong != nil {
		cancel()
		it.fail(id, wrong)
		return
	}
	done, refused := it.enter(name)
	go func() {
		result, err := any(nil), refused
		if refused == nil {
			result, err = guarded(ctx, serve, params)
		}
		it.mutex.Lock()
		delete(it.tasks, string(id))
		it.mutex.Unlock()
		cancel()
		if err == nil {
			// a value may panic while it is written
			_, err = safely(func() (nothing, error) {
				return nothing{}, it.say(map[string]any{"jsonrpc": "2.0", "id": id, "result": result})
			})
		}
		if err != nil {
			it.fail(id, faultOf(err))
		}
		if refused == nil {
			done()
		}
	}()
}

func (it *peer) begin(id string, cancel context.CancelFunc) *RPCError {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	if it.tasks[id] != nil {
		return fault(notARequest, "the id %s is under way already", id)
	}
	if len(it.tasks) >= maxServed {
		return fault(tooMuch, "%d requests are under way already", maxServed)
	}
	it.tasks[id] = cancel
	return nil
}

// guarded calls a method. When nobody waits any more it is cancelled, and answered as such once its work has ended: so
// the host sees what is stuck, and asks for no more than there is room for.
func guarded(ctx context.Context, serve method, params json.RawMessage) (any, error) {
	type answer struct {
		result any
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		result, err := safely(func() (any, error) { return serve(ctx, params) })
		done <- answer{result, err}
	}()
	select {
	case it := <-done:
		return it.result, it.err
	case <-ctx.Done():
		<-done
		return nil, ctx.Err()
	}
}

func (it *peer) answered(came message) {
	it.mutex.Lock()
	call := it.calls[string(came.ID)]
	delete(it.calls, string(came.ID))
	it.mutex.Unlock()
	if call != nil {
		call <- came
	}
}

// ask asks the other side. An error in answer, no answer in time and the end of the other side are an RPCError.
func (it *peer) ask(ctx context.Context, name string, params any, within time.Duration, result any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	select {
	case it.credit <- struct{}{}:
	case <-it.gone:
		return fault(failed, "the host is gone")
	case <-ctx.Done():
		return notAnswered(ctx, name)
	}
	defer func() { <-it.credit }()
	answer := make(chan message, 1)
	it.mutex.Lock()
	it.next++
	id := json.RawMessage(fmt.Sprint(it.next))
	it.calls[string(id)] = answer
	it.mutex.Unlock()
	defer func() {
		it.mutex.Lock()
		delete(it.calls, string(id))
		it.mutex.Unlock()
	}()
	if err := it.say(map[string]any{"jsonrpc": "2.0", "id": id, "method": name, "params": params}); err != nil {
		return err
	}
	select {
	case came := <-answer:
		return came.into(result)
	case <-it.gone:
		return fault(failed, "the host is gone")
	case <-ctx.Done():
		it.tell("$/cancel", map[string]any{"id": id})
		return notAnswered(ctx, name)
	}
}

func notAnswered(ctx context.Context, name string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault(timeOver, "%s: there was no answer in time", name)
	}
	return ctx.Err()
}

func (it message) into(result any) error {
	if it.Error != nil && string(it.Error) != "null" {
		said := RPCError{Code: failed}
		if json.Unmarshal(it.Error, &said) != nil || said.Message == "" {
			said.Message = cut(string(it.Error), maxError)
		}
		return &said
	}
	if result == nil || it.Result == nil {
		return nil
	}
	return json.Unmarshal(it.Result, result)
}

// tell tells the other side; dropped when it does not read, or when it is too long.
func (it *peer) tell(name string, params any) {
	it.mutex.Lock()
	full := it.backlog > maxBacklog
	it.mutex.Unlock()
	if !full {
		// what cannot be written is not worth an end
		_ = it.say(map[string]any{"jsonrpc": "2.0", "method": name, "params": params})
	}
}

func (it *peer) fail(id json.RawMessage, wrong *RPCError) {
	if id == nil {
		id = json.RawMessage("null")
	}
	// plugins make these, too, of whatever length
	short := RPCError{wrong.Code, cut(wrong.Message, maxError)}
	_ = it.say(map[string]any{"jsonrpc": "2.0", "id": id, "error": short})
}

func (it *peer) say(what any) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(what); err != nil {
		return fault(failed, "it cannot be written: %s", err)
	}
	if line.Len() > MaxLine {
		return fault(failed, "%d bytes are more than a line may have (%d)", line.Len(), MaxLine)
	}
	it.mutex.Lock()
	it.out = append(it.out, line.Bytes())
	it.backlog += line.Len()
	it.mutex.Unlock()
	select {
	case it.wake <- struct{}{}:
	default: // it is awake already
	}
	return nil
}

// write writes what is said until the end, and then what is left.
func (it *peer) write(to io.Writer) error {
	for last := false; ; {
		it.mutex.Lock()
		lines, length := it.out, it.backlog
		it.out = nil
		it.mutex.Unlock()
		if len(lines) > 0 {
			if _, err := to.Write(bytes.Join(lines, nil)); err != nil {
				return err
			}
			it.mutex.Lock()
			it.backlog -= length
			it.mutex.Unlock()
			continue
		}
		if last {
			return nil
		}
		select {
		case <-it.wake:
		case <-it.gone:
			last = true
		}
	}
}

// close: the other side is gone. What was asked of it fails, what it asked is cancelled.
func (it *peer) close() {
	it.once.Do(func() { close(it.gone) })
	it.mutex.Lock()
	defer it.mutex.Unlock()
	for _, cancel := range it.tasks {
		cancel()
	}
}
