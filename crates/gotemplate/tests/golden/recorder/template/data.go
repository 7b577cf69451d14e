// Package template holds types of the names and methods that Alertmanager documents for its templates.
package template

import (
	"sort"
	"strings"
	"time"
)

type Strings []string

func (s Strings) Join(separator string) string { return strings.Join(s, separator) }

type Pair struct{ Name, Value string }

type Pairs []Pair

func (all Pairs) Names() Strings {
	names := Strings{}
	for _, pair := range all {
		names = append(names, pair.Name)
	}
	return names
}

func (all Pairs) Values() Strings {
	values := Strings{}
	for _, pair := range all {
		values = append(values, pair.Value)
	}
	return values
}

func (all Pairs) String() string {
	words := []string{}
	for _, pair := range all {
		words = append(words, pair.Name+"="+pair.Value)
	}
	return strings.Join(words, ", ")
}

type KV map[string]string

func (kv KV) SortedPairs() Pairs {
	all := Pairs{}
	for name, value := range kv {
		all = append(all, Pair{name, value})
	}
	sort.Slice(all, func(a, b int) bool {
		first, second := all[a].Name, all[b].Name
		if (first == "alertname") != (second == "alertname") {
			return first == "alertname"
		}
		return first < second
	})
	return all
}

func (kv KV) Remove(names []string) KV {
	rest := KV{}
	for name, value := range kv {
		rest[name] = value
	}
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}

func (kv KV) Names() Strings  { return kv.SortedPairs().Names() }
func (kv KV) Values() Strings { return kv.SortedPairs().Values() }
func (kv KV) String() string  { return kv.SortedPairs().String() }

type Alert struct {
	Status       string    `json:"status"`
	Labels       KV        `json:"labels"`
	Annotations  KV        `json:"annotations"`
	StartsAt     time.Time `json:"startsAt"`
	EndsAt       time.Time `json:"endsAt"`
	GeneratorURL string    `json:"generatorURL"`
	Fingerprint  string    `json:"fingerprint"`
}

type Alerts []Alert

func (all Alerts) with(status string) []Alert {
	some := []Alert{}
	for _, alert := range all {
		if alert.Status == status {
			some = append(some, alert)
		}
	}
	return some
}

func (all Alerts) Firing() []Alert   { return all.with("firing") }
func (all Alerts) Resolved() []Alert { return all.with("resolved") }

type Data struct {
	Receiver           string `json:"receiver"`
	Status             string `json:"status"`
	Alerts             Alerts `json:"alerts"`
	NotificationReason string `json:"notification_reason"`
	GroupLabels        KV     `json:"groupLabels"`
	CommonLabels       KV     `json:"commonLabels"`
	CommonAnnotations  KV     `json:"commonAnnotations"`
	RouteLabels        KV     `json:"routeLabels"`
	ExternalURL        string `json:"externalURL"`
}
