//! The style, the script and the icon: in the binary, and kept by browsers for as long as they
//! stay the same, since the pages name them with a hash of what they hold.

use std::sync::LazyLock;

use axum::extract::RawQuery;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use crate::model::hex;

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/page.js");
const ICON: &str = include_str!("assets/icon.svg");

/// What stands behind the `?` of each address.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = [STYLE, SCRIPT, ICON].concat();
    hex::encode(&Sha256::digest(all)[..8])
});

pub(super) async fn style(RawQuery(version): RawQuery) -> Response {
    asset("text/css; charset=utf-8", STYLE, version.as_deref())
}

pub(super) async fn script(RawQuery(version): RawQuery) -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT, version.as_deref())
}

pub(super) async fn icon(RawQuery(version): RawQuery) -> Response {
    asset("image/svg+xml", ICON, version.as_deref())
}

fn asset(kind: &'static str, content: &'static str, version: Option<&str>) -> Response {
    let is_this = version == Some(VERSION.as_str());
    let keep = if is_this { "public, max-age=31536000, immutable" } else { "no-cache" };
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, keep)], content).into_response()
}
