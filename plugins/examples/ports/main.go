// Ports watches TCP ports, and sends messages to one as lines.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"ports/nightbell"
)

var plugin = nightbell.New()

type settings struct {
	Watch   []string `json:"watch"`
	EveryMs int64    `json:"every_ms"`
}

type target struct {
	Address string `json:"address"`
}

func main() {
	fmt.Println("ports are watched") // standard output is the plugin's log
	plugin.Run()
}

func init() {
	plugin.Destination("line", nightbell.Kind{}, line)
	plugin.Check("port", nil, func(ctx context.Context, raw json.RawMessage) (nightbell.Check, error) {
		var it target
		if err := json.Unmarshal(raw, &it); err != nil {
			return nightbell.Check{}, err
		}
		return nightbell.Check{}, dial(ctx, it.Address, func(net.Conn) error { return nil })
	})
	plugin.Background(watch)
}

func dial(ctx context.Context, address string, use func(net.Conn) error) error {
	connection, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = connection.SetDeadline(deadline)
	}
	return use(connection)
}

func line(ctx context.Context, delivery *nightbell.Delivery) nightbell.Outcome {
	var it target
	if err := json.Unmarshal(delivery.Settings, &it); err != nil {
		return nightbell.Rejected(err.Error())
	}
	err := dial(ctx, it.Address, func(connection net.Conn) error {
		_, err := fmt.Fprintf(connection, "%s %s\n", delivery.Key, delivery.Message.Title)
		return err
	})
	if err != nil {
		return nightbell.Retry(err.Error())
	}
	return nightbell.Delivered(it.Address)
}

// watch brings an event in whenever a port is closed, and when it is open again. What was said last is kept in the
// hub, so that a restart does not forget to take it back.
func watch(ctx context.Context) error {
	for {
		var now settings
		if err := plugin.Settings(&now); err != nil {
			return err
		}
		for _, address := range now.Watch {
			if err := look(ctx, address); err != nil {
				return err
			}
		}
		select {
		case <-time.After(time.Duration(now.EveryMs) * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

func look(ctx context.Context, address string) error {
	err := dial(ctx, address, func(net.Conn) error { return nil })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var wasClosed bool
	if _, err := plugin.Host.Get(ctx, "closed/"+address, &wasClosed); err != nil {
		return err
	}
	closed := err != nil
	if closed == wasClosed {
		return nil
	}
	event := map[string]any{
		"key":    "port " + address,
		"action": "clear",
		"title":  address + " answers",
		"labels": map[string]string{"alertname": "PortClosed", "address": address},
	}
	if closed {
		event["action"] = "raise"
		event["title"] = err.Error()
	}
	// the event first: what was not taken is brought in again the next time
	if _, err := plugin.Host.Emit(ctx, "", event); err != nil {
		return err
	}
	return plugin.Host.Set(ctx, "closed/"+address, closed)
}
