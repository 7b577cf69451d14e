//! Logging in to a mail server: by PLAIN and LOGIN, which lettre speaks, as somebody else by PLAIN (RFC 4616), and by
//! CRAM-MD5 (RFC 2195), which keeps the secret off the wire.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::Ehlo;
use lettre::transport::smtp::extension::ClientId;
use md5::Md5;
use sdk::Secret;

use super::server::{Auth, Server, Trouble};

/// What a server answers that has a question (RFC 4954).
const CHALLENGE: u16 = 334;

impl Auth {
    /// All ways, the one that is taken first at the front.
    const ALL: [Auth; 3] = [Auth::Plain, Auth::Login, Auth::CramMd5];

    fn name(self) -> &'static str {
        match self {
            Auth::Plain => "PLAIN",
            Auth::Login => "LOGIN",
            Auth::CramMd5 => "CRAM-MD5",
        }
    }

    fn mechanism(self) -> Option<Mechanism> {
        match self {
            Auth::Plain => Some(Mechanism::Plain),
            Auth::Login => Some(Mechanism::Login),
            Auth::CramMd5 => None,
        }
    }
}

/// A line of a talk.
struct Line(String);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\r\n", self.0)
    }
}

impl Server<'_> {
    /// Logs in, if the settings say as whom and the server has anything of the kind. To one that offers no way at all
    /// mail goes without, as from Alertmanager (`notify/email/email.go`).
    pub(super) async fn log_in(
        &self,
        connection: &mut AsyncSmtpConnection,
        hello: &ClientId,
    ) -> Result<(), Trouble> {
        let Some(name) = self.username else { return Ok(()) };
        let known = |way: &Auth| {
            way.mechanism().is_some_and(|it| connection.server_info().supports_auth_mechanism(it))
        };
        let way = match self.ways().find(known) {
            Some(way) => way,
            None => {
                let offered = offered(connection, hello).await?;
                let is_offered = |way: &Auth| offered.iter().any(|it| it.eq_ignore_ascii_case(way.name()));
                match self.ways().find(is_offered) {
                    Some(way) => way,
                    None if offered.is_empty() => return Ok(()),
                    None => {
                        let ours = self.ways().map(Auth::name).collect::<Vec<_>>().join(", ");
                        let theirs = offered.join(", ");
                        return Err(Trouble::Ours(format!("the server takes {theirs}, and we have {ours}")));
                    }
                }
            }
        };
        match (way.mechanism(), self.password, self.secret) {
            (Some(mechanism), Some(password), _) => {
                if !connection.is_encrypted() && !self.insecure_auth {
                    let reason =
                        "the server offers no encryption, and the password must not go out in the clear";
                    return Err(Trouble::Ours(reason.to_owned()));
                }
                match self.identity.filter(|_| way == Auth::Plain) {
                    Some(identity) => {
                        let form = STANDARD.encode(plain_form(identity, name, password));
                        connection.command(Line(format!("AUTH PLAIN {form}"))).await?;
                    }
                    None => {
                        let credentials = Credentials::new(name.to_owned(), password.expose().to_owned());
                        connection.auth(&[mechanism], &credentials).await?;
                    }
                }
            }
            (None, _, Some(secret)) => {
                let asked = connection.command(Line("AUTH CRAM-MD5".to_owned())).await?;
                let challenge = asked.message().next().filter(|_| asked.has_code(CHALLENGE));
                let challenge = challenge.and_then(|text| STANDARD.decode(text.trim()).ok());
                let none = || Trouble::Ours("the server speaks of CRAM-MD5, and asks nothing".to_owned());
                let answer = cram_md5(name, secret, &challenge.ok_or_else(none)?);
                connection.command(Line(STANDARD.encode(answer))).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The ways in which we could log in.
    fn ways(&self) -> impl Iterator<Item = Auth> {
        let can = |way: &Auth| match way {
            Auth::Plain | Auth::Login => self.password.is_some(),
            Auth::CramMd5 => self.secret.is_some(),
        };
        Auth::ALL.into_iter().filter(move |way| can(way) && self.auth.is_none_or(|only| only == *way))
    }

    /// The forms that the password takes on the wire.
    pub(super) fn wire_secrets(&self) -> Vec<Secret> {
        let (Some(name), Some(password)) = (self.username, self.password) else { return Vec::new() };
        // the longer one first, which has the other at its end
        let identities = [self.identity, Some("")].into_iter().flatten();
        let forms = identities.map(|identity| plain_form(identity, name, password));
        forms.chain([password.expose().to_owned()]).map(|form| Secret::new(STANDARD.encode(form))).collect()
    }
}

fn plain_form(identity: &str, name: &str, password: &Secret) -> String {
    format!("{identity}\0{name}\0{}", password.expose())
}

/// The ways that a server offers, as it names them: lettre forgets those that it does not know.
async fn offered(
    connection: &mut AsyncSmtpConnection,
    hello: &ClientId,
) -> Result<Vec<String>, lettre::transport::smtp::Error> {
    let said = connection.command(Ehlo::new(hello.clone())).await?;
    let ways = |line: &str| {
        let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
        let is_auth = words.next().is_some_and(|word| word.eq_ignore_ascii_case("AUTH"));
        if is_auth { words.map(str::to_owned).collect() } else { Vec::new() }
    };
    Ok(said.message().skip(1).flat_map(ways).collect())
}

/// `tim b913a602c7eda7a495b4e6e7334d3890`
fn cram_md5(name: &str, secret: &Secret, challenge: &[u8]) -> String {
    // HMAC takes keys of any length
    let digest = Hmac::<Md5>::new_from_slice(secret.expose().as_bytes()).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(challenge);
            mac.finalize().into_bytes().to_vec()
        },
    );
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} {digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_answered_as_the_rfc_has_it() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let answer = cram_md5("tim", &Secret::new("tanstaaftanstaaf"), challenge);
        assert_eq!(answer, "tim b913a602c7eda7a495b4e6e7334d3890");
    }
}
