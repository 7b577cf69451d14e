#!/bin/sh
# A plugin for Nightbell: reads a message a line, answers a message a line. Needs jq.
# Standard output is for messages only; what is written to standard error is the log.
while IFS= read -r line; do
    case $(printf '%s' "$line" | jq -r '.method // ""') in
    hello)
        printf '%s' "$line" | jq -c '{jsonrpc: "2.0", id, result: {protocol: 1, sdk: "sh", provides: {}}}' ;;
    deliver)
        printf '%s' "$line" |
            jq -r '.params.deliveries[] | select(.kind == "@NAME@") | "to \(.settings.room): \(.message.title)"' >&2
        printf '%s' "$line" | jq -c '{jsonrpc: "2.0", id, result: {outcomes: [.params.deliveries[] |
            if .kind == "@NAME@" then {id, outcome: "delivered"}
            else {id, outcome: "rejected", reason: "there is no such kind"} end]}}' ;;
    configure | start | health | drain | shutdown)
        printf '%s' "$line" | jq -c '{jsonrpc: "2.0", id, result: {}}' ;;
    *)
        # an answer for what has an id, and nothing for what has none
        printf '%s' "$line" | jq -c 'select(.id != null and .method != null)
            | {jsonrpc: "2.0", id, error: {code: -32601, message: "no such method"}}' ;;
    esac
done
