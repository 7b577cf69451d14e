package main

import (
	"bufio"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"ports/nightbell"
)

func TestLinesAreSentAndClosedPortsAreSaid(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	lines := make(chan string, 1)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			if line, _ := bufio.NewReader(connection).ReadString('\n'); line != "" {
				lines <- line
			}
		}
	}()
	// a port that was free a moment ago
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := free.Addr().String()
	free.Close()

	host, err := nightbell.NewTestHost(plugin, settings{Watch: []string{closed}, EveryMs: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	address := target{listener.Addr().String()}
	came, err := host.Deliver("line", address, nightbell.Message{Title: "Disk is full"})
	if err != nil || came.Outcome != "delivered" {
		t.Fatal(came, err)
	}
	if line := <-lines; !strings.Contains(line, "key-delivery-1 Disk is full") {
		t.Fatal(line)
	}
	came, err = host.Deliver("line", target{closed}, nightbell.Message{})
	if err != nil || came.Outcome != "retry" {
		t.Fatal(came, err)
	}
	// said once, and remembered
	if !host.Until(func(said nightbell.Said) bool { return len(said.Keys) == 1 }) {
		t.Fatal(host.Said())
	}
	said := host.Said()
	var event struct{ Action, Key string }
	if err := json.Unmarshal(said.Emitted[0], &event); err != nil || event.Action != "raise" || len(said.Emitted) != 1 {
		t.Fatal(said)
	}
	if string(said.Keys["closed/"+closed]) != "true" {
		t.Fatal(said.Keys)
	}
}
