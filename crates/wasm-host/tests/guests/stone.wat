;; A plugin that is written by hand, and does on request what a plugin must not: the first letter of a message's
;; title says what. Otherwise it answers that all is delivered, and its receipt is how many calls this instance had.
;; `first.wasm` is this text, as it was when the world of `plugins/wit/plugin.wit` was new.
(component
  (import "nightbell:plugin/host@1.0.0" (instance $host
    (export "log" (func (param "level" string) (param "message" string)))
    (export "ask" (func (param "method" string) (param "params" string) (result (result string (error string)))))))

  (core module $heap
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (block $room
        (br_if $room (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $room (i32.ne (i32.const -1)
          (memory.grow (i32.add (i32.div_u (local.get $size) (i32.const 65536)) (i32.const 1)))))
        unreachable)
      (memory.copy (local.get $at) (local.get $old) (local.get $old_size))
      (local.get $at))
    (func (export "forget") (param i32) (global.set $free (i32.const 4096))))
  (core instance $heap (instantiate $heap))
  (alias core export $heap "memory" (core memory $memory))
  (alias core export $heap "realloc" (core func $realloc))
  (alias core export $heap "forget" (core func $forget))
  (core func $log (canon lower (func $host "log") (memory $memory)))
  (core func $ask (canon lower (func $host "ask") (memory $memory) (realloc $realloc)))

  (core module $guest
    (import "heap" "memory" (memory 2))
    (import "heap" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "log" (func $log (param i32 i32 i32 i32)))
    (import "host" "ask" (func $ask (param i32 i32 i32 i32 i32)))
    (global $calls (mut i32) (i32.const 0))
    ;; where a text grows
    (global $text (mut i32) (i32.const 0))
    (global $length (mut i32) (i32.const 0))
    (data (i32.const 16) "\"id\":\"")
    (data (i32.const 24) "\"title\":\"")
    (data (i32.const 40) "\"url\":\"")
    (data (i32.const 48) "\"bad\":true")
    (data (i32.const 64) "{\"protocol\":1,\"sdk\":\"by hand\",\"features\":[]}")
    (data (i32.const 112) "{}")
    (data (i32.const 120) "{\"errors\":[{\"path\":\"bad\",\"message\":\"must not be\"}]}")
    (data (i32.const 176) "{\"outcomes\":[{\"id\":\"")
    (data (i32.const 200) "\",\"outcome\":\"delivered\",\"receipt\":\"")
    (data (i32.const 240) "\"}]}")
    (data (i32.const 248) "fetch")
    (data (i32.const 256) "{\"method\":\"POST\",\"url\":\"")
    (data (i32.const 280) "\",\"body\":\"a stone\"}")
    (data (i32.const 304) "{\"code\":-32001,\"message\":\"too late\"}")
    (data (i32.const 344) "nonsense")
    (data (i32.const 352) "info")
    (data (i32.const 360) "has settings")

    ;; where a text is in another, behind its end; 0: nowhere
    (func $behind (param $in i32) (param $in_length i32) (param $what i32) (param $what_length i32) (result i32)
      (local $at i32) (local $same i32)
      (local.set $at (local.get $in))
      (block $nowhere
        (loop $next
          (br_if $nowhere (i32.gt_u (i32.add (local.get $at) (local.get $what_length))
            (i32.add (local.get $in) (local.get $in_length))))
          (local.set $same (i32.const 0))
          (block $differs
            (loop $byte
              (br_if $differs (i32.ne
                (i32.load8_u (i32.add (local.get $at) (local.get $same)))
                (i32.load8_u (i32.add (local.get $what) (local.get $same)))))
              (local.set $same (i32.add (local.get $same) (i32.const 1)))
              (br_if $byte (i32.lt_u (local.get $same) (local.get $what_length))))
            (return (i32.add (local.get $at) (local.get $what_length))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))
      (i32.const 0))

    ;; the title of a message is the first thing that is called so
    (func $behind_title (param $in i32) (param $length i32) (result i32)
      (call $behind (local.get $in) (local.get $length) (i32.const 24) (i32.const 9)))

    (func $begin
      (global.set $text (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 2048)))
      (global.set $length (i32.const 0)))

    (func $add (param $what i32) (param $what_length i32)
      (memory.copy (i32.add (global.get $text) (global.get $length)) (local.get $what) (local.get $what_length))
      (global.set $length (i32.add (global.get $length) (local.get $what_length))))

    ;; up to the next quotation mark
    (func $add_quoted (param $from i32)
      (local $length i32)
      (block $end
        (loop $next
          (br_if $end (i32.eq (i32.const 34) (i32.load8_u (i32.add (local.get $from) (local.get $length)))))
          (br_if $end (i32.eq (i32.const 1024) (local.get $length)))
          (local.set $length (i32.add (local.get $length) (i32.const 1)))
          (br $next)))
      (call $add (local.get $from) (local.get $length)))

    ;; a result: 0 is good, 1 is an error
    (func $answer (param $bad i32) (param $what i32) (param $what_length i32) (result i32)
      (i32.store8 (i32.const 0) (local.get $bad))
      (i32.store (i32.const 4) (local.get $what))
      (i32.store (i32.const 8) (local.get $what_length))
      (i32.const 0))

    (func (export "hello") (param i32 i32) (result i32)
      (call $answer (i32.const 0) (i32.const 64) (i32.const 44)))

    (func (export "configure") (param $params i32) (param $length i32) (result i32)
      (if (result i32) (call $behind (local.get $params) (local.get $length) (i32.const 48) (i32.const 10))
        (then (call $answer (i32.const 0) (i32.const 120) (i32.const 51)))
        (else
          (call $log (i32.const 352) (i32.const 4) (i32.const 360) (i32.const 12))
          (call $answer (i32.const 0) (i32.const 112) (i32.const 2)))))

    (func (export "events") (param $params i32) (param $length i32) (result i32)
      (call $log (i32.const 352) (i32.const 4) (local.get $params) (local.get $length))
      (call $answer (i32.const 0) (i32.const 112) (i32.const 2)))

    (func $forever (loop $again (br $again)))
    (func $swell (loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable)
    (func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))

    ;; asks the URL in the settings; what the host says is wrong is the answer
    (func $fetch (param $params i32) (param $length i32) (result i32)
      (call $begin)
      (call $add (i32.const 256) (i32.const 24))
      (call $add_quoted (call $behind (local.get $params) (local.get $length) (i32.const 40) (i32.const 7)))
      (call $add (i32.const 280) (i32.const 19))
      (call $ask (i32.const 248) (i32.const 5) (global.get $text) (global.get $length) (i32.const 0))
      (i32.load8_u (i32.const 0)))

    (func (export "deliver") (param $params i32) (param $length i32) (result i32)
      (local $title i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (local.set $title (i32.load8_u (call $behind_title (local.get $params) (local.get $length))))
      ;; l, m, t, d: what an engine must cut
      (if (i32.eq (local.get $title) (i32.const 108)) (then (call $forever)))
      (if (i32.eq (local.get $title) (i32.const 109)) (then (call $swell)))
      (if (i32.eq (local.get $title) (i32.const 116)) (then (unreachable)))
      (if (i32.eq (local.get $title) (i32.const 100)) (then (drop (call $deep (i32.const 0)))))
      ;; e, n: an error, and no JSON
      (if (i32.eq (local.get $title) (i32.const 101)) (then (return (call $answer (i32.const 1) (i32.const 304) (i32.const 36)))))
      (if (i32.eq (local.get $title) (i32.const 110)) (then (return (call $answer (i32.const 0) (i32.const 344) (i32.const 8)))))
      ;; f: asks the host, whose answer lies where ours does
      (if (i32.eq (local.get $title) (i32.const 102))
        (then (if (call $fetch (local.get $params) (local.get $length)) (then (return (i32.const 0))))))
      (call $begin)
      (call $add (i32.const 176) (i32.const 20))
      (call $add_quoted (call $behind (local.get $params) (local.get $length) (i32.const 16) (i32.const 6)))
      (call $add (i32.const 200) (i32.const 35))
      (i32.store8 (i32.const 12) (i32.add (i32.const 48) (i32.rem_u (global.get $calls) (i32.const 10))))
      (call $add (i32.const 12) (i32.const 1))
      (call $add (i32.const 240) (i32.const 4))
      (call $answer (i32.const 0) (global.get $text) (global.get $length))))
  (core instance $guest (instantiate $guest
    (with "heap" (instance $heap))
    (with "host" (instance (export "log" (func $log)) (export "ask" (func $ask))))))

  (type $call (func (param "params" string) (result (result string (error string)))))
  (func $hello (type $call)
    (canon lift (core func $guest "hello") (memory $memory) (realloc $realloc) (post-return $forget)))
  (func $configure (type $call)
    (canon lift (core func $guest "configure") (memory $memory) (realloc $realloc) (post-return $forget)))
  (func $deliver (type $call)
    (canon lift (core func $guest "deliver") (memory $memory) (realloc $realloc) (post-return $forget)))
  (func $events (type $call)
    (canon lift (core func $guest "events") (memory $memory) (realloc $realloc) (post-return $forget)))
  (instance $required (export "hello" (func $hello)) (export "configure" (func $configure)))
  (instance $destinations (export "deliver" (func $deliver)))
  (instance $subscriptions (export "events" (func $events)))
  (export "nightbell:plugin/guest@1.0.0" (instance $required))
  (export "nightbell:plugin/destinations@1.0.0" (instance $destinations))
  (export "nightbell:plugin/subscriptions@1.0.0" (instance $subscriptions)))
