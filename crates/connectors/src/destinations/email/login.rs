//! Logging in to a mail server: by PLAIN (RFC 4616), also as somebody else, by LOGIN, and by CRAM-MD5 (RFC 2195), which
//! keeps the secret off the wire.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sdk::Secret;

use super::server::{Auth, Server};
use super::talk::{Talk, Trouble};

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
}

impl Server<'_> {
    /// Logs in, if the settings say as whom and the server has anything of the kind. To one that offers no way at all
    /// mail goes without, as from Alertmanager (`notify/email/email.go`).
    pub(super) async fn log_in(&self, talk: &mut Talk) -> Result<(), Trouble> {
        let Some(name) = self.username else { return Ok(()) };
        let offered = talk.ways();
        let is_offered = |way: &Auth| offered.iter().any(|it| it.eq_ignore_ascii_case(way.name()));
        let way = match self.ways().find(is_offered) {
            Some(way) => way,
            None if offered.is_empty() => return Ok(()),
            None => {
                let ours = self.ways().map(Auth::name).collect::<Vec<_>>().join(", ");
                let theirs = offered.join(", ");
                return Err(Trouble::Ours(format!("the server takes {theirs}, and we have {ours}")));
            }
        };
        match (way, self.password, self.secret) {
            (Auth::Plain | Auth::Login, Some(_), _) if !talk.is_encrypted && !self.insecure_auth => {
                let reason = "the server offers no encryption, and the password must not go out in the clear";
                return Err(Trouble::Ours(reason.to_owned()));
            }
            (Auth::Plain, Some(password), _) => {
                let form = STANDARD.encode(plain_form(self.identity.unwrap_or_default(), name, password));
                talk.ask(&format!("AUTH PLAIN {form}")).await?;
            }
            (Auth::Login, Some(password), _) => {
                for word in ["AUTH LOGIN", &STANDARD.encode(name)] {
                    let asked = talk.ask(word).await?;
                    if asked.code != CHALLENGE {
                        return Err(Trouble::Ours("the server speaks of LOGIN, and asks nothing".to_owned()));
                    }
                }
                talk.ask(&STANDARD.encode(password.expose())).await?;
            }
            (Auth::CramMd5, _, Some(secret)) => {
                let asked = talk.ask("AUTH CRAM-MD5").await?;
                let challenge = asked.lines.first().filter(|_| asked.code == CHALLENGE);
                let challenge = challenge.and_then(|text| STANDARD.decode(text.trim()).ok());
                let none = || Trouble::Ours("the server speaks of CRAM-MD5, and asks nothing".to_owned());
                let answer = cram_md5(name, secret, &challenge.ok_or_else(none)?);
                talk.ask(&STANDARD.encode(answer)).await?;
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
