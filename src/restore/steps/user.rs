//! The system user that a job names.

use std::time::Duration;

use super::super::execute::Done;
use super::super::look::account;
use super::super::{Trouble, Watch};
use crate::model::job::SystemUser;

/// Creates it with a group of its own. Its home is not made: the files bring it.
pub(in super::super) fn create(
    user: &SystemUser,
    timeout: Duration,
    watch: &mut Watch<'_>,
) -> Result<Done, Trouble> {
    if let Some(account) = account(&user.name, watch.stop)? {
        // Somebody was faster.
        return Ok(Done { detail: format!("is there, id {}", account.uid), ..Done::default() });
    }
    let (home, shell) = (user.home.as_ref(), user.shell.as_ref());
    let (home, shell) = (
        home.map(|home| home.display().to_string()),
        shell.map(|shell| shell.display().to_string()),
    );
    let mut argv = vec!["useradd", "--system", "--user-group", "--no-create-home"];
    if let Some(home) = &home {
        argv.extend(["--home-dir", home]);
    }
    argv.extend(["--shell", shell.as_deref().unwrap_or("/usr/sbin/nologin"), "--", &user.name]);
    super::system(&argv, timeout, watch)?;
    let account = account(&user.name, watch.stop)?.ok_or_else(|| {
        Trouble::new(format!("`useradd` made `{}`, and it is not there", user.name))
            .hint("look at /etc/nsswitch.conf: accounts may be kept elsewhere")
    })?;
    Ok(Done { detail: format!("created, id {}", account.uid), ..Done::default() })
}
