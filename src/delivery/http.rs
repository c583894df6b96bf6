//! Webhooks and dead-man's switches.

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Url};
use secrecy::ExposeSecret as _;

use super::{CONNECT, DeliveryError, Message, Ping, PingSign, TOTAL};
use crate::causes::with_causes;
use crate::model::desired::SecretRef;
use crate::model::name::ObjectName;
use crate::secret;

/// What stands in an address for the job's name.
const JOB: &str = "{job}";

/// Posts a message as JSON.
pub(super) async fn post(
    name: &ObjectName,
    secret: &SecretRef,
    message: &Message,
) -> Result<(), DeliveryError> {
    let (client, address) = open(name, secret).await?;
    let url = parse(name, address.expose_secret())?;
    ask(&url, client.post(url.clone()).json(message)).await
}

/// Pings a switch by the convention of healthchecks.io: `URL/start`, `URL`, `URL/fail`.
pub(super) async fn ping(
    name: &ObjectName,
    secret: &SecretRef,
    ping: &Ping,
) -> Result<(), DeliveryError> {
    let (client, address) = open(name, secret).await?;
    let (url, body) = addressed(name, address.expose_secret(), ping)?;
    ask(&url, client.post(url.clone()).body(body)).await
}

/// Where a ping goes, and what it says there.
fn addressed(
    name: &ObjectName,
    address: &str,
    ping: &Ping,
) -> Result<(Url, String), DeliveryError> {
    let is_shared = !address.contains(JOB);
    // The series of a job that has many are told apart by what a path segment may hold.
    let mut url = parse(name, &address.replace(JOB, &ping.job.replace('/', "-")))?;
    let is_ill = is_shared && !ping.wrong.is_empty();
    let segment = match ping.sign {
        PingSign::Start => Some("start"),
        PingSign::Success if is_ill => Some("fail"),
        PingSign::Success => None,
        PingSign::Fail => Some("fail"),
        PingSign::Log => Some("log"),
    };
    if let (Some(segment), Ok(mut path)) = (segment, url.path_segments_mut()) {
        path.pop_if_empty().push(segment);
    }
    let mut body = ping.body.clone();
    if is_ill {
        for line in &ping.wrong {
            body.push('\n');
            body.push_str(line);
        }
    }
    Ok((url, body))
}

fn parse(name: &ObjectName, address: &str) -> Result<Url, DeliveryError> {
    let refused = || DeliveryError::NotAnAddress { name: name.clone() };
    let url = Url::parse(address.trim()).map_err(|_| refused())?;
    let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_http { Ok(url) } else { Err(refused()) }
}

/// A client of its own for each attempt, so that renewed certificates of the system count, and
/// the address. Reading both blocks.
async fn open(
    name: &ObjectName,
    from: &SecretRef,
) -> Result<(Client, secrecy::SecretString), DeliveryError> {
    let from = from.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let address = secret::read(&from)?;
        super::install_tls();
        let client = Client::builder()
            .user_agent(concat!("larder/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .build();
        Ok::<_, DeliveryError>((client, address))
    });
    let host = || format!("notify.{name}");
    let unable = |reason: String| DeliveryError::Unreachable { host: host(), reason };
    let (client, address) =
        opened.await.map_err(|_| unable("an error in larder itself".into()))??;
    let client = client.map_err(|error| unable(with_causes(&error.without_url())))?;
    Ok((client, address))
}

async fn ask(url: &Url, request: RequestBuilder) -> Result<(), DeliveryError> {
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) if answer.status().is_redirection() => {
            Err(DeliveryError::Redirected { host, status: answer.status().as_u16() })
        }
        Ok(answer) => Err(DeliveryError::Refused { host, status: answer.status().as_u16() }),
        Err(error) if error.is_timeout() => Err(DeliveryError::TimedOut { host }),
        Err(error) => {
            Err(DeliveryError::Unreachable { host, reason: reason(url, &error.without_url()) })
        }
    }
}

/// Why, in words that hold nothing of the address but its host.
fn reason(url: &Url, error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    // The outer ones say only that it was not sent.
    let text = causes.pop().unwrap_or_else(|| error.to_string());
    let secrets = [url.path(), url.query().unwrap_or_default(), url.password().unwrap_or_default()];
    if secrets.iter().any(|secret| secret.len() > 1 && text.contains(secret)) {
        return "the request failed".to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, sign: PingSign, wrong: &[&str]) -> String {
        let ping = Ping {
            job: "apps/nextcloud".to_owned(),
            sign,
            body: "done".to_owned(),
            wrong: wrong.iter().map(|line| (*line).to_owned()).collect(),
        };
        match addressed(&"alive".parse().unwrap(), address, &ping) {
            Ok((url, body)) => format!("{url} {body:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_sign_has_its_address() {
        let shared = "https://hc.example.org/ping/uuid";
        assert_eq!(check(shared, PingSign::Start, &[]), format!("{shared}/start \"done\""));
        assert_eq!(check(shared, PingSign::Success, &[]), format!("{shared} \"done\""));
        assert_eq!(check(shared, PingSign::Fail, &[]), format!("{shared}/fail \"done\""));
        let with_query = "https://hc.example.org/ping/uuid/?create=1";
        assert_eq!(
            check(with_query, PingSign::Fail, &[]),
            "https://hc.example.org/ping/uuid/fail?create=1 \"done\""
        );
    }

    #[test]
    fn an_address_with_a_place_for_the_job_is_one_for_each_job() {
        let each = "https://hc.example.org/key/{job}";
        assert_eq!(
            check(each, PingSign::Success, &["`web` is overdue"]),
            "https://hc.example.org/key/apps-nextcloud \"done\""
        );
    }

    #[test]
    fn one_address_for_all_is_told_of_success_only_when_nothing_is_wrong() {
        assert_eq!(
            check("https://hc.example.org/u", PingSign::Success, &["`web` is overdue"]),
            "https://hc.example.org/u/fail \"done\\n`web` is overdue\""
        );
    }

    #[test]
    fn what_is_no_address_is_refused_without_saying_what_it_is() {
        for address in ["canary-secret", "ftp://example.org/canary", "https://", "/canary"] {
            let said = check(address, PingSign::Success, &[]);
            assert!(said.contains("no http:// or https:// address"), "{said}");
            assert!(!said.contains("canary"), "{said}");
        }
    }
}
