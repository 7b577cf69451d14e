//! See `nightbell_fuzz::TARGETS`.
#![cfg_attr(fuzzing, no_main)]

nightbell_fuzz::fuzz!(sentry_form);
