//! Invitations, and the one route where somebody with a code comes in.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::SignedDuration;

use super::access::unauthorized;
use super::problem::Problem;
use super::{App, dto};
use crate::config::edit::Terms;
use crate::engine::peers::pairing::{Denied, NewInvitation, Offer};
use crate::model::name::PlaceName;
use crate::model::pairing::OneTime;

/// How long a code is good when nothing is said, in seconds.
const USUAL_TTL: u32 = 15 * 60;

fn name(text: &str) -> Result<PlaceName, Problem> {
    text.parse().map_err(|error: crate::model::name::NameError| {
        Problem::bad_request(error.to_string()).hint("for instance `tom`")
    })
}

/// Makes a code that lets another instance in once.
#[utoipa::path(
    post,
    path = "/invitations",
    tag = "peers",
    operation_id = "invitations_add",
    summary = "Makes a code that lets another instance in once.",
    request_body = dto::NewInvitation,
    responses(
        (status = 201, description = "The code, shown this once", body = dto::InvitationCode),
        (status = 404, description = "There is no such peer", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn invite(
    State(app): State<App>,
    Json(new): Json<dto::NewInvitation>,
) -> Result<(StatusCode, Json<dto::InvitationCode>), Problem> {
    let peer = name(&new.name)?;
    let code = app
        .handle()?
        .invite(NewInvitation {
            peer: peer.clone(),
            ttl: SignedDuration::from_secs(new.ttl_s.unwrap_or(USUAL_TTL).into()),
            replace: new.replace,
            write: new.write,
            terms: Terms { location: new.location, quota: new.quota, retention: new.retention },
        })
        .await?;
    let expires_at = dto::Moment::new(code.expires_at, app.view().at.time_zone());
    let shown = dto::InvitationCode { name: peer.to_string(), code: code.encode(), expires_at };
    Ok((StatusCode::CREATED, Json(shown)))
}

#[utoipa::path(
    get,
    path = "/invitations",
    tag = "peers",
    operation_id = "invitations_list",
    summary = "The invitations that are open, and those of the last day that were accepted.",
    responses(
        (status = 200, description = "The invitations", body = Vec<dto::Invitation>),
    )
)]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Vec<dto::Invitation>>, Problem> {
    let all = app.handle()?.invitations().await?;
    let view = app.view();
    Ok(Json(all.iter().map(|one| dto::Invitation::new(&view, one)).collect()))
}

/// Takes an invitation back, or forgets what came of it.
#[utoipa::path(
    delete,
    path = "/invitations/{name}",
    tag = "peers",
    operation_id = "invitations_remove",
    summary = "Takes an invitation back, or forgets what came of it.",
    params(("name" = String, Path, description = "The peer's name")),
    responses(
        (status = 204, description = "It is gone"),
    )
)]
pub(super) async fn forget(
    State(app): State<App>,
    Path(peer): Path<String>,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::not_found(format!("there is no invitation for `{peer}`"));
    let peer: PlaceName = peer.parse().map_err(|_| unknown())?;
    app.handle()?.forget_invitation(peer).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the offer of an instance that was given a code: the one route beside `/healthz` that needs
/// no token. The code's secret is in its place; who guesses waits as for a wrong token.
#[utoipa::path(
    post,
    path = "/pairing",
    tag = "peers",
    operation_id = "pair",
    summary = "Pairs with the instance that made a code.",
    security(()),
    request_body = dto::PairingOffer,
    responses(
        (status = 200, description = "What opens a name space here", body = dto::PairingWelcome),
        (status = 400, description = "What it says of itself cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The code is wrong, used or expired", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The offer took longer than 10 seconds to come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The offer is longer than 16 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many attempts were wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn pair(
    State(app): State<App>,
    Json(offer): Json<dto::PairingOffer>,
) -> Result<Json<dto::PairingWelcome>, Response> {
    let bad = |what: &str| Problem::bad_request(what.to_owned()).into_response();
    let secret = OneTime::from_hex(&offer.secret);
    // Who does not know a code learns nothing about the rest.
    let instance = offer.instance.parse();
    let pin = offer.pin.as_deref().map(str::parse).transpose();
    let (Ok(instance), Ok(pin)) = (instance, pin) else {
        return Err(if secret.is_some() {
            bad("its name or its pin is none")
        } else {
            unauthorized()
        });
    };
    let offer = Offer {
        secret,
        instance,
        url: offer.url,
        pin,
        token: offer.token,
        ssh_keys: offer.ssh_keys,
    };
    let handle = app.handle().map_err(axum::response::IntoResponse::into_response)?;
    match handle.welcome(offer).await {
        Ok(welcome) => Ok(Json(dto::PairingWelcome {
            instance: welcome.instance.to_string(),
            peer: welcome.peer.to_string(),
            token: welcome.token,
            ssh_keys: welcome.ssh_keys,
        })),
        Err(Denied::Unknown) => Err(unauthorized()),
        Err(Denied::Unfit(why)) => {
            tracing::warn!(why, "an instance with a right code cannot be paired with");
            Err(bad(
                "what it says of itself cannot stand in a configuration here; the log of this instance says why",
            ))
        }
        Err(Denied::Failed(why)) => {
            tracing::error!(why, "pairing failed");
            let told = "this could not be done; the log of this instance says why";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, told).into_response())
        }
    }
}
