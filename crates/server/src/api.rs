//! Our own API, one file a resource.

mod apply;
mod artifacts;
mod audit;
mod calendar_links;
mod config;
mod definitions;
mod deliveries;
mod events;
mod explain;
mod heartbeats;
mod home;
mod inbox;
mod incidents;
mod integrations;
mod invitations;
mod issue_actions;
mod issues;
mod kinds;
mod live;
mod on_call;
mod overrides;
mod plugin_jobs;
mod plugins;
mod previews;
mod projects;
mod receivers;
mod releases;
mod replay;
mod routes;
mod schedules;
mod service_tests;
pub(crate) mod session;
mod silences;
mod status;
mod teams;
mod tickets;
mod tokens;
mod users;
mod verbs;
mod verification;

pub use events::parse as parse_events;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;

/// All of its routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .merge(people())
        .merge(errors())
        .routes(routes!(events::list_events, events::post_events))
        .routes(routes!(events::get_event))
        .routes(routes!(incidents::list_incidents))
        .routes(routes!(incidents::get_incident))
        .routes(routes!(incidents::get_timeline))
        .routes(routes!(verbs::acknowledge))
        .routes(routes!(verbs::unacknowledge))
        .routes(routes!(verbs::resolve))
        .routes(routes!(verbs::snooze))
        .routes(routes!(verbs::note_incident))
        .routes(routes!(tickets::make_ticket))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::get_delivery))
        .routes(routes!(deliveries::retry_delivery))
        .routes(routes!(deliveries::bury_delivery))
        .routes(routes!(receivers::list_receivers))
        .routes(routes!(receivers::test_receiver))
        .routes(routes!(routes::list_routes))
        .routes(routes!(routes::test_routes))
        .routes(routes!(silences::list_silences, silences::add_silence))
        .routes(routes!(silences::get_silence, silences::update_silence, silences::expire_silence))
        .routes(routes!(silences::preview_silence))
        .routes(routes!(explain::explain_id))
        .routes(routes!(explain::explain_incident))
        .routes(routes!(explain::explain_labels))
        .routes(routes!(live::live))
        .routes(routes!(inbox::list_inbox))
        .routes(routes!(kinds::list_kinds))
        .routes(routes!(service_tests::list_service_tests))
        .routes(routes!(service_tests::get_service_test, service_tests::make_service_test))
        .routes(routes!(plugins::list_plugins))
        .routes(routes!(plugins::get_plugin, plugins::remove_plugin))
        .routes(routes!(plugins::restart_plugin))
        .routes(routes!(plugins::enable_plugin))
        .routes(routes!(plugins::disable_plugin))
        .routes(routes!(plugins::test_plugin))
        .routes(routes!(plugin_jobs::check_plugin))
        .routes(routes!(plugin_jobs::install_plugin))
        .routes(routes!(plugin_jobs::list_plugin_jobs))
        .routes(routes!(plugin_jobs::get_plugin_job))
        .routes(routes!(integrations::list_integrations))
        .routes(routes!(integrations::post_integration))
        .routes(routes!(heartbeats::list_heartbeats))
        .routes(routes!(heartbeats::beat, heartbeats::beat_by_get))
        .routes(routes!(status::get_status))
        .routes(routes!(config::get_config))
        .routes(routes!(config::list_config_history))
        .routes(routes!(config::get_config_version))
        .routes(routes!(config::roll_back_config))
        .routes(routes!(overrides::list_overrides))
        .routes(routes!(overrides::list_override_versions))
        .routes(routes!(overrides::roll_back_overrides))
        .routes(routes!(overrides::get_config_section, overrides::change_config_section))
        .routes(routes!(overrides::get_config_element, overrides::change_config_element))
        .routes(routes!(replay::replay))
        .routes(routes!(home::home))
        .routes(routes!(home::description))
}

/// Those that are about who uses the hub, and what they define for themselves.
fn people() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(tokens::list_tokens_of, tokens::create_token_of))
        .routes(routes!(tokens::revoke_token_of))
        .routes(routes!(users::list_users, users::create_user))
        .routes(routes!(users::get_user, users::change_user, users::delete_user))
        .routes(routes!(users::set_password))
        .routes(routes!(users::list_sessions, users::end_sessions))
        .routes(routes!(teams::list_teams, teams::create_team))
        .routes(routes!(teams::get_team, teams::change_team, teams::delete_team))
        .routes(routes!(teams::put_member, teams::remove_member))
        .routes(routes!(session::log_in, session::who_am_i, session::log_out))
        .routes(routes!(invitations::list_invitations, invitations::invite))
        .routes(routes!(invitations::accept))
        .routes(routes!(invitations::withdraw))
        .merge(definitions::routes())
        .routes(routes!(previews::preview_filter))
        .routes(routes!(previews::preview_profile))
        .routes(routes!(previews::preview_maintenance))
        .routes(routes!(verification::send_code, verification::confirm))
        .routes(routes!(apply::apply_definitions))
        .routes(routes!(on_call::on_call))
        .routes(routes!(on_call::shifts))
        .routes(routes!(on_call::preview))
        .routes(routes!(schedules::list_schedule_overrides, schedules::make_schedule_override))
        .routes(routes!(schedules::remove_schedule_override))
        .routes(routes!(schedules::swap_shifts))
        .routes(routes!(schedules::list_calendars))
        .routes(routes!(schedules::upload_calendar))
        .routes(routes!(schedules::fetch_calendars))
        .routes(routes!(calendar_links::list_calendar_links, calendar_links::make_calendar_link))
        .routes(routes!(calendar_links::revoke_calendar_link))
        .routes(routes!(calendar_links::calendar))
        .routes(routes!(audit::list_audit))
}

/// Those that are about errors that programs report.
fn errors() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(projects::list_projects, projects::create_project))
        .routes(routes!(projects::get_project, projects::change_project, projects::delete_project))
        .routes(routes!(projects::add_project_key))
        .routes(routes!(projects::change_project_key))
        .routes(routes!(artifacts::list_artifacts))
        .routes(routes!(artifacts::delete_artifacts))
        .routes(routes!(issues::get_project_sent))
        .routes(routes!(releases::compare_releases))
        .routes(routes!(issues::list_issues))
        .routes(routes!(issues::get_issue))
        .routes(routes!(issue_actions::act_on_issue))
        .routes(routes!(issues::list_issue_tags))
        .routes(routes!(issues::list_issue_events))
        .routes(routes!(issues::get_issue_event))
        .routes(routes!(issues::explain_grouping))
}
