//! age identities and recipients, and the two layers made of them.
//!
//! **Invariant:** this is the only module that knows the `age` crate. Without the feature `encrypt`
//! it refuses in words instead of writing an archive that anybody can read.

use std::io::{self, Read, Write};

use secrecy::SecretString;

/// Why a recipient or an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A text is not a recipient.
    #[error("`{text}` is not an age recipient: {reason}")]
    Recipient {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text is not an identity. The text itself is a secret.
    #[error("this is not an age identity: {0}")]
    Identity(String),
    /// Encryption was left out of this build.
    #[error("this build cannot encrypt or decrypt")]
    NotBuilt,
}

impl IdentityError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            IdentityError::Recipient { .. } => {
                "a recipient begins with `age1`; `larder identity new` makes one"
            }
            IdentityError::Identity(_) => {
                "an identity is a line that begins with `AGE-SECRET-KEY-1`"
            }
            IdentityError::NotBuilt => "build with the feature `encrypt`, or use the `age` program",
        }
    }
}

/// A new identity.
#[derive(Debug)]
pub struct NewIdentity {
    /// What opens archives: to be kept off this host.
    pub secret: SecretString,
    /// What archives are encrypted to.
    pub recipient: String,
}

#[cfg(feature = "encrypt")]
mod age_layer {
    use super::{IdentityError, NewIdentity, Read, Write, io};

    /// A stream that encrypts what is written to it.
    pub(crate) type Encrypting<W> = age::stream::StreamWriter<W>;

    /// Makes an X25519 identity.
    ///
    /// # Errors
    /// Never in this build.
    pub fn new() -> Result<NewIdentity, IdentityError> {
        let identity = age::x25519::Identity::generate();
        Ok(NewIdentity {
            recipient: identity.to_public().to_string(),
            secret: identity.to_string(),
        })
    }

    fn recipient(text: &str) -> Result<age::x25519::Recipient, IdentityError> {
        text.trim().parse().map_err(|reason: &'static str| IdentityError::Recipient {
            text: text.to_owned(),
            reason: reason.to_owned(),
        })
    }

    /// Checks a recipient.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn check_recipient(text: &str) -> Result<(), IdentityError> {
        recipient(text).map(|_| ())
    }

    /// A file header for recipients, to be put before an output.
    pub(crate) fn encryptor(recipients: &[String]) -> Result<age::Encryptor, IdentityError> {
        let recipients =
            recipients.iter().map(|text| recipient(text)).collect::<Result<Vec<_>, _>>()?;
        let recipients = recipients.iter().map(|one| one as &dyn age::Recipient);
        age::Encryptor::with_recipients(recipients).map_err(|error| IdentityError::Recipient {
            text: String::new(),
            reason: error.to_string(),
        })
    }

    pub(crate) fn encrypt<W: Write>(
        encryptor: age::Encryptor,
        output: W,
    ) -> io::Result<Encrypting<W>> {
        encryptor.wrap_output(output)
    }

    /// The plain stream of an encrypted one. `identity` is the text of an identity file.
    pub(crate) fn decrypt<R: Read + Send + 'static>(
        input: R,
        identity: &str,
    ) -> Result<Box<dyn Read + Send>, super::super::OpenError> {
        use super::super::OpenError;
        let mut identities = Vec::new();
        for line in identity.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let one = line.parse::<age::x25519::Identity>();
            identities.push(one.map_err(|reason| IdentityError::Identity(reason.to_owned()))?);
        }
        if identities.is_empty() {
            return Err(IdentityError::Identity("it is empty".to_owned()).into());
        }
        let input = io::BufReader::with_capacity(256 * 1024, input);
        let decryptor = age::Decryptor::new_buffered(input).map_err(OpenError::age)?;
        let identities = identities.iter().map(|one| one as &dyn age::Identity);
        let plain = decryptor.decrypt(identities).map_err(OpenError::age)?;
        Ok(Box::new(plain))
    }
}

#[cfg(not(feature = "encrypt"))]
mod age_layer {
    use super::{IdentityError, NewIdentity, Read, Write, io};

    /// There is none.
    pub(crate) enum Encrypting<W> {
        #[expect(dead_code, reason = "nobody can make one")]
        Never(std::convert::Infallible, W),
    }

    impl<W> Encrypting<W> {
        pub(crate) fn finish(self) -> io::Result<W> {
            match self {
                Encrypting::Never(never, _) => match never {},
            }
        }
    }

    impl<W> Write for Encrypting<W> {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            match self {
                Encrypting::Never(never, _) => match *never {},
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Makes an identity.
    ///
    /// # Errors
    /// Always in this build.
    pub fn new() -> Result<NewIdentity, IdentityError> {
        Err(IdentityError::NotBuilt)
    }

    /// Checks a recipient.
    ///
    /// # Errors
    /// Always in this build.
    pub fn check_recipient(_: &str) -> Result<(), IdentityError> {
        Err(IdentityError::NotBuilt)
    }

    pub(crate) fn encryptor(_: &[String]) -> Result<std::convert::Infallible, IdentityError> {
        Err(IdentityError::NotBuilt)
    }

    pub(crate) fn encrypt<W>(never: std::convert::Infallible, _: W) -> io::Result<Encrypting<W>> {
        match never {}
    }

    pub(crate) fn decrypt<R: Read + Send + 'static>(
        _: R,
        _: &str,
    ) -> Result<Box<dyn Read + Send>, super::super::OpenError> {
        Err(IdentityError::NotBuilt.into())
    }
}

pub use age_layer::{check_recipient, new};
pub(crate) use age_layer::{decrypt, encrypt, encryptor};

#[cfg(all(test, feature = "encrypt"))]
mod tests {
    use super::*;

    #[test]
    fn a_new_identity_is_a_recipient_and_other_texts_are_not() {
        let identity = new().unwrap();
        check_recipient(&identity.recipient).unwrap();
        assert!(!format!("{identity:?}").contains("AGE-SECRET"));
        for text in ["", "age1", "age1qqqq", "ssh-ed25519 AAAA", &identity.recipient[..40]] {
            assert!(check_recipient(text).is_err(), "{text:?} was accepted");
        }
    }
}
