//! Mails that plugins hand to the hub, with the real binary: they go out by the hub's own account, and what becomes of
//! them becomes of the deliveries.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use nightbell_acceptance::hub::alert;
use nightbell_acceptance::mailhost::MailHost;
use nightbell_acceptance::{Hub, PATIENCE, tool, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

const LETTERS: &str = r#"
from nightbell_plugin import Delivered, Plugin, Rejected, Retry, RpcError

plugin = Plugin()


@plugin.destination("letters", settings={"type": "object", "properties": {"to": {"type": "string"}}})
async def tell(delivery):
    words = {"html": "<p>{{ title }} & <b>more</b></p>", "reply_to": "desk@bell.example", "key": delivery.key}
    try:
        to, subject = [delivery.settings["to"]], "A letter\nTo: x@y.example"
        said = await plugin.host.mail(to, subject, "plain {{ title }}", **words)
    except RpcError as error:
        return Rejected(f"{error.code}: {error.message}")
    if said["outcome"] == "retry":
        return Retry(said["reason"])
    return Delivered() if said["outcome"] == "delivered" else Rejected(said["reason"])
"#;

fn hub(permissions: &str, account: &str) -> Hub {
    let folder = TempDir::new().unwrap();
    let plugin = folder.path().join("plugins/letters");
    std::fs::create_dir_all(&plugin).unwrap();
    let manifest = format!(
        "[plugin]\nid = 'letters'\nversion = '1'\ncontract = 1\n[run]\nruntime = 'python'\nmodule = 'letters'\n\
         [permissions]\n{permissions}\n"
    );
    std::fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    std::fs::write(plugin.join("letters.py"), LETTERS).unwrap();
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[outbound]\nallow_private = true\n[plugins]\nfolder = \"plugins\"\n\
         active = [\"letters\"]\n[route]\nreceiver = \"ops\"\ngroup_by = \"all\"\ngroup_wait = \"0s\"\n\
         [[receivers.ops.letters]]\nto = \"ann@bell.example\"\n{account}"
    );
    let file = folder.path().join("nightbell.toml");
    std::fs::write(&file, config).unwrap();
    let mut hub = Hub::prepare(folder, &["--config", &file.display().to_string()]);
    hub.wake();
    hub.alerts(&[alert(&[("alertname", "Disk")])]);
    hub
}

fn account(port: u16) -> String {
    format!(
        "[defaults.email]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         from = \"Bell <bell@bell.example>\"\nsubject = \"{{{{ kind }}}}\"\n"
    )
}

/// What became of the first delivery that is dead.
fn dead(hub: &Hub) -> Value {
    wait_for("a dead letter", PATIENCE, || {
        let all = hub.get("/api/v1/deliveries?state=dead");
        all["items"].as_array()?.first().cloned()
    })
}

#[test]
fn a_mail_of_a_plugin_goes_out_by_the_hubs_account() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let mails = MailHost::open();
    let hub = hub("mail = true", &account(mails.smtp));
    let mail = mails.wait_for("ann@bell.example", 0);
    hub.wait_delivered(1);
    assert_eq!(mail.header("from"), "Bell <bell@bell.example>");
    assert_eq!(
        (mail.header("subject"), mail.header("reply-to")),
        ("A letter To: x@y.example", "desk@bell.example")
    );
    // what it says is said as it is, and is no template
    assert!(mail.text.contains("plain {{ title }}"), "{}", mail.text);
    assert!(mail.text.contains("<p>{{ title }} & <b>more</b></p>"), "{}", mail.text);
    assert_eq!(mail.to, ["ann@bell.example"]);
}

#[test]
fn one_that_may_not_or_cannot_is_told_why() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    let mails = MailHost::open();
    let forbidden = dead(&hub("mail = false", &account(mails.smtp))).to_string();
    assert!(forbidden.contains("-32003") && forbidden.contains("permissions.mail"), "{forbidden}");
    let nowhere = dead(&hub("mail = true", "")).to_string();
    assert!(nowhere.contains("-32004") && nowhere.contains("[defaults.email]"), "{nowhere}");
    assert!(mails.to("ann@bell.example").is_empty());
}

#[test]
fn a_server_that_is_down_has_the_delivery_tried_again() {
    let Some(_) = tool::find_or_skip("python3") else { return };
    // a port that was free a moment ago
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hub = hub("mail = true", &account(port));
    let tried = wait_for("a try", PATIENCE, || {
        let all = hub.get("/api/v1/deliveries");
        let it = all["items"].as_array()?.first()?.clone();
        (it["attempts"].as_u64()? > 0).then_some(it)
    });
    assert_ne!(tried["state"], json!("dead"), "{tried}");
}
