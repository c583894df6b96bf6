//! Brings a message to somebody: to a webhook, to a dead-man's switch, or by mail.
//!
//! Each call is one attempt with an end: whoever calls decides about retrying. **Invariants:** the
//! address of a webhook or of a switch is a secret: it is read when it is needed, and no error,
//! log line or body holds more of it than the host. Redirects are not followed, no proxy is asked,
//! and what a receiver answers beside its status is not read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::desired::{Notify, NotifyTarget};
use crate::model::name::ObjectName;
use crate::process::ProcessError;
use crate::secret::SecretError;
use crate::stop::Stop;

mod http;
mod mail;

/// How long a receiver may take to let us in.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an attempt may take.
const TOTAL: Duration = Duration::from_secs(30);

/// A message as a webhook gets it, and as it is kept until it was delivered.
///
/// `text` is what Slack, Mattermost and Matrix show; `title` and `message` what Gotify and ntfy do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `failure`, `overdue`, `blocked`, `recovery` or `test`: the heaviest of the items.
    pub event: String,
    /// The instance that tells.
    pub instance: String,
    /// When it was made, as RFC 3339 with offset.
    pub at: String,
    /// One line.
    pub title: String,
    /// The title and the items, one line each.
    pub text: String,
    /// The items, one line each.
    pub message: String,
    /// The job, where all items are about one.
    pub job: Option<String>,
    /// The run, where there is one item and a run showed it.
    pub run_id: Option<u64>,
    /// `protected`, `at risk` or `unprotected`, where all items are about one job.
    pub verdict: Option<String>,
    /// What is told.
    pub items: Vec<MessageItem>,
}

/// One thing in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageItem {
    /// `failure`, `overdue`, `blocked` or `recovery`.
    pub event: String,
    /// The job it is about.
    pub job: Option<String>,
    /// The run that showed it.
    pub run_id: Option<u64>,
    /// How well the job is protected.
    pub verdict: Option<String>,
    /// Since when, as RFC 3339 with offset.
    pub since: String,
    /// Whether it was told before.
    pub reminder: bool,
    /// One line.
    pub text: String,
}

/// A ping for a dead-man's switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The job.
    pub job: String,
    /// What is told of it.
    pub sign: PingSign,
    /// A few lines for whoever looks.
    pub body: String,
    /// What is wrong with any job, one line each. One address for all jobs is told of success only
    /// when nothing is.
    #[serde(default)]
    pub wrong: Vec<String>,
}

/// What a dead-man's switch is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PingSign {
    /// It began.
    Start,
    /// It went well.
    Success,
    /// It failed.
    Fail,
    /// A test, which changes nothing.
    Log,
}

/// What is brought to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// For a webhook or an address.
    Message(Box<Message>),
    /// For a dead-man's switch.
    Ping(Ping),
}

/// Why something could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The address could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What was read is no address.
    #[error("the secret of `[notify.{name}]` is no http:// or https:// address")]
    NotAnAddress {
        /// The target.
        name: ObjectName,
    },
    /// Nobody answered.
    #[error("`{host}` cannot be reached: {reason}")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// Why, without the address.
        reason: String,
    },
    /// It took too long.
    #[error("`{host}` did not answer within {} s", TOTAL.as_secs())]
    TimedOut {
        /// Who was asked.
        host: String,
    },
    /// It wants us to go elsewhere.
    #[error("`{host}` answered {status}, a redirect, which is not followed")]
    Redirected {
        /// Who was asked.
        host: String,
        /// The status.
        status: u16,
    },
    /// It refused.
    #[error("`{host}` answered {status}")]
    Refused {
        /// Who was asked.
        host: String,
        /// The status.
        status: u16,
    },
    /// The mail program did not take it.
    #[error("the mail could not be handed over")]
    Mail(#[from] ProcessError),
    /// The mail could not be written down.
    #[error("the mail could not be prepared")]
    Spool(#[source] std::io::Error),
    /// A message for a switch, or a ping for an address: the target was changed meanwhile.
    #[error("`[notify.{name}]` is of another kind now")]
    OtherKind {
        /// The target.
        name: ObjectName,
    },
}

impl DeliveryError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Secret(error) => error.hint(),
            Self::NotAnAddress { .. } => {
                Some("write the whole address into it, beginning with https://".to_owned())
            }
            Self::Unreachable { .. } | Self::TimedOut { .. } => {
                Some("does it run, and can this host reach it?".to_owned())
            }
            Self::Redirected { .. } => {
                Some("write the address that it redirects to into the secret".to_owned())
            }
            Self::Refused { status: 401 | 403, .. } => {
                Some("is the token in the address still valid?".to_owned())
            }
            Self::Refused { status: 404 | 410, .. } => {
                Some("is there still something at this address?".to_owned())
            }
            Self::Refused { .. } | Self::OtherKind { .. } => None,
            Self::Mail(ProcessError::NotFound { .. }) => Some(PACKAGE_HINT.to_owned()),
            Self::Mail(error) => error.hint_of_ours(),
            Self::Spool(_) => Some("is there room in the temporary directory?".to_owned()),
        }
    }
}

/// What to do without a mail program.
pub const PACKAGE_HINT: &str = "install one: `apt install msmtp-mta` hands mail to your provider, \
    `apt install postfix` delivers it itself";

/// One attempt.
///
/// # Errors
/// It was not delivered, as far as is known.
pub async fn deliver(notify: &Notify, content: &Content, stop: &Stop) -> Result<(), DeliveryError> {
    let other_kind = || DeliveryError::OtherKind { name: notify.name.clone() };
    match (&notify.target, content) {
        (NotifyTarget::Url(secret), Content::Message(message)) => {
            http::post(&notify.name, secret, message).await
        }
        (NotifyTarget::PingUrl(secret), Content::Ping(ping)) => {
            http::ping(&notify.name, secret, ping).await
        }
        (NotifyTarget::MailTo(address), Content::Message(message)) => {
            mail::send(address, message, stop).await
        }
        (NotifyTarget::Url(_) | NotifyTarget::MailTo(_), Content::Ping(_))
        | (NotifyTarget::PingUrl(_), Content::Message(_)) => Err(other_kind()),
    }
}

/// Takes ring for all TLS of this process, unless something else was taken before.
fn install_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody who was faster chose for us.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
