// Records what Go's text/template and html/template make of the cases in ../cases.txt, into ../recorded.json.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"

	"recorder/template"
)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

var functions = map[string]any{
	"toUpper":      strings.ToUpper,
	"toLower":      strings.ToLower,
	"trimSpace":    strings.TrimSpace,
	"join":         func(separator string, all []string) string { return strings.Join(all, separator) },
	"match":        regexp.MatchString,
	"safeHtml":     func(text string) htmltemplate.HTML { return htmltemplate.HTML(text) },
	"safeUrl":      func(text string) htmltemplate.URL { return htmltemplate.URL(text) },
	"urlUnescape":  url.QueryUnescape,
	"stringSlice":  func(all ...string) []string { return all },
	"base64encode": func(text string) string { return base64.URLEncoding.EncodeToString([]byte(text)) },
	"date":         func(layout string, at time.Time) string { return at.Format(layout) },
	"since":        func(at time.Time) time.Duration { return now.Sub(at) },
	"now":          func() time.Time { return now },
	"list": func(all ...any) []any {
		if all == nil {
			return []any{}
		}
		return all
	},
	"append": func(list []any, more ...any) []any { return append(list, more...) },
	"reReplaceAll": func(pattern, with, text string) string {
		return regexp.MustCompile(pattern).ReplaceAllString(text, with)
	},
	"base64decode": func(text string) (string, error) {
		decoded, err := base64.URLEncoding.DecodeString(text)
		return string(decoded), err
	},
	"tz": func(name string, at time.Time) (time.Time, error) {
		place, err := time.LoadLocation(name)
		if err != nil {
			return time.Time{}, err
		}
		return at.In(place), nil
	},
	"toDate": func(layout, text string) time.Time {
		at, _ := time.ParseInLocation(layout, text, time.UTC)
		return at
	},
	"toJson": func(value any) (string, error) {
		text, err := json.Marshal(value)
		return string(text), err
	},
	"dict": func(all ...any) (map[string]any, error) {
		if len(all)%2 != 0 {
			return nil, fmt.Errorf("dict requires an even number of arguments")
		}
		made := map[string]any{}
		for at := 0; at < len(all); at += 2 {
			key, ok := all[at].(string)
			if !ok {
				return nil, fmt.Errorf("dict keys must be strings")
			}
			made[key] = all[at+1]
		}
		return made, nil
	},
}

func alertmanager() *template.Data {
	alert := func(number int, status string) template.Alert {
		made := template.Alert{
			Status:       status,
			Labels:       template.KV{"severity": "critical", "alertname": "DiskFull", "disk": "sd" + strconv.Itoa(number)},
			Annotations:  template.KV{"summary": "Disk <" + strconv.Itoa(number) + "> & more", "runbook": "https://run.example/a?b=c&d=e f"},
			StartsAt:     time.Date(2026, 3, 4, 5, 6, 7, 89000000, time.UTC),
			GeneratorURL: "http://p.example/graph?g0.expr=up%3D0&g0.tab=1",
			Fingerprint:  "00000000000000a" + strconv.Itoa(number),
		}
		if status == "resolved" {
			made.EndsAt = time.Date(2026, 3, 4, 15, 16, 17, 0, time.UTC)
		}
		return made
	}
	return &template.Data{
		Receiver:           "team-x",
		Status:             "firing",
		Alerts:             template.Alerts{alert(1, "firing"), alert(2, "firing"), alert(3, "resolved")},
		NotificationReason: "first notification",
		GroupLabels:        template.KV{"alertname": "DiskFull"},
		CommonLabels:       template.KV{"alertname": "DiskFull", "severity": "critical", "cluster": "a b"},
		CommonAnnotations:  template.KV{},
		RouteLabels:        template.KV{},
		ExternalURL:        "http://bell.example:9093",
	}
}

var data = map[string]any{
	"am":    alertmanager(),
	"nil":   nil,
	"int":   42,
	"text":  "O'Reilly: <b>\"fish\" & chips</b>+",
	"words": []string{"one", "two", "three"},
	"any": map[string]any{
		"s": "text", "u": "Ünï→日本", "h": "<b>&'\"</b>", "n": 7, "neg": -3, "f": 1.5, "big": 1e21, "small": 1e-7,
		"t": true, "no": false, "z": nil, "e": "", "empty": []any{}, "l": []any{1, "two", 3.5, nil, true},
		"m": map[string]any{"b": "x", "a": 1, "c": map[string]any{"d": "deep"}}, "words": []string{"x", "y"},
		"url": "http://e.example/a b?q=1&r=2#f", "js": "javascript:alert(1)", "lines": "a\nb\tc",
	},
}

type result struct {
	Mode     string `json:"mode"`
	Data     string `json:"data"`
	Template string `json:"template"`
	Output   string `json:"output,omitempty"`
	Stage    string `json:"stage,omitempty"`
	Error    string `json:"error,omitempty"`
}

// run executes one case: what came of it, and at which stage it failed.
func run(mode, over, text string) (string, string, error) {
	var out bytes.Buffer
	if mode == "h" {
		made, err := htmltemplate.New("t").Option("missingkey=zero").Funcs(functions).Parse(text)
		if err != nil {
			return "", "parse", err
		}
		err = made.Execute(&out, data[over])
		return out.String(), "run", err
	}
	made, err := texttemplate.New("t").Option("missingkey=zero").Funcs(functions).Parse(text)
	if err != nil {
		return "", "parse", err
	}
	err = made.Execute(&out, data[over])
	return out.String(), "run", err
}

func main() {
	cases, err := os.ReadFile("../cases.txt")
	if err != nil {
		panic(err)
	}
	results := []result{}
	for _, line := range strings.Split(string(cases), "\n") {
		parts := strings.SplitN(line, " ", 3)
		if len(parts) < 3 || strings.HasPrefix(line, "#") {
			continue
		}
		text := strings.ReplaceAll(parts[2], "⏎", "\n")
		made := result{Mode: parts[0], Data: parts[1], Template: text}
		output, stage, err := run(parts[0], parts[1], text)
		if err != nil {
			made.Stage, made.Error = stage, err.Error()
		} else {
			made.Output = output
		}
		results = append(results, made)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(results); err != nil {
		panic(err)
	}
	if err := os.WriteFile("../recorded.json", out.Bytes(), 0o644); err != nil {
		panic(err)
	}
}
