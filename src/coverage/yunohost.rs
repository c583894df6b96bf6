//! What YunoHost has written down of its apps: asking the command would wait for its lock.

use std::path::{Path, PathBuf};

use super::{App, Yunohost, names};

/// Says that YunoHost is installed.
const INSTALLED: &str = "etc/yunohost/installed";
/// One directory for each app.
const APPS: &str = "etc/yunohost/apps";

pub(super) fn look(root: &Path) -> Option<Yunohost> {
    if !root.join(INSTALLED).exists() {
        return None;
    }
    let apps = names(&root.join(APPS)).into_iter().filter_map(|id| {
        let settings = root.join(APPS).join(&id).join("settings.yml");
        let text = std::fs::read_to_string(settings).ok()?;
        Some(app(id, &text))
    });
    Some(Yunohost { apps: apps.collect() })
}

/// Of the settings only plain `key: value` lines at the top matter.
fn app(id: String, settings: &str) -> App {
    let value = |key: &str| {
        let value = settings.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        let value = value.trim().trim_matches(['\'', '"']);
        (!value.is_empty() && value != "null").then(|| value.to_owned())
    };
    let path = |key: &str| value(key).filter(|value| value.starts_with('/')).map(PathBuf::from);
    App {
        database: value("db_name"),
        install_dir: path("install_dir").or_else(|| path("final_path")),
        data_dir: path("data_dir").or_else(|| path("datadir")),
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_says_what_belongs_to_it() {
        let text = "db_name: nextcloud\ndata_dir: /home/yunohost.app/nextcloud\n  db_name: no\n\
            install_dir: '/var/www/nextcloud'\nother: x\n";
        assert_eq!(
            app("nextcloud".to_owned(), text),
            App {
                id: "nextcloud".to_owned(),
                database: Some("nextcloud".to_owned()),
                install_dir: Some(PathBuf::from("/var/www/nextcloud")),
                data_dir: Some(PathBuf::from("/home/yunohost.app/nextcloud")),
            }
        );
        assert_eq!(app("x".to_owned(), "db_name: null\n").database, None);
    }
}
