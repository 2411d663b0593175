//! Who asks, and what they may do.
//!
//! A permission is a value: a handler that acts takes [`Viewer`], [`Operator`] or [`Admin`] as an argument, and
//! only this file makes them. [`identify`] finds out once per request who asks, by a program's token or a
//! person's session, and refuses what another site's page may have sent.

use std::ops::Deref;
use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::cookie::Cookie;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::http::uri::Authority;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use std::future::{Ready, ready};

use super::WebState;
use super::csrf::{Origin, same_token};
use super::error::ApiError;
use super::interrupted;
use super::params;
use super::session::{self, Session};
use crate::domain::{Role, Sha256Hex, hash_token};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Who {
    /// The user's or the token's name: what `created_by` says.
    pub name: String,
    pub role: Role,
    pub via: Via,
}

/// How they showed it.
#[derive(Debug, Clone)]
pub enum Via {
    /// A person, by cookie.
    Session {
        user_id: i64,
        key_hash: Sha256Hex,
        /// What every form must carry as `csrf`.
        csrf: String,
    },
    /// A program, by `Authorization: Bearer`.
    Token { id: i64 },
}

impl Who {
    /// Whether what they showed is still good: what stays open for long asks again and again.
    ///
    /// # Errors
    /// 503 without the database.
    pub async fn stands(&self, state: &WebState) -> Result<bool, ApiError> {
        let now = state.clock.now();
        Ok(match &self.via {
            Via::Session { key_hash, .. } => state.store.session_in_use(key_hash, now).await?.is_some(),
            Via::Token { id } => state.store.api_token_stands(*id, now).await?,
        })
    }

    /// What every form must carry as `csrf`; empty for a program, which needs none.
    #[must_use]
    pub fn csrf(&self) -> &str {
        match &self.via {
            Via::Session { csrf, .. } => csrf,
            Via::Token { .. } => "",
        }
    }
}

/// A permission: proof that somebody with at least this role asks.
pub trait Permission: Deref<Target = Who> + Sized {
    const ROLE: Role;
    #[doc(hidden)]
    fn grant(who: Who, _: Grant) -> Self;
}

/// Only this file can make one, so only this file can grant.
pub struct Grant(());

macro_rules! permission {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Who);

        impl Permission for $name {
            const ROLE: Role = Role::$name;
            fn grant(who: Who, _: Grant) -> Self {
                Self(who)
            }
        }

        impl Deref for $name {
            type Target = Who;
            fn deref(&self) -> &Who {
                &self.0
            }
        }

        impl FromRequest for $name {
            type Error = actix_web::Error;
            type Future = Ready<Result<Self, Self::Error>>;
            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(permit(request, FormToken::MustBeChecked).map_err(Into::into))
            }
        }
    };
}

permission!(
    /// May see everything.
    Viewer
);
permission!(
    /// May upload packages, steer rollouts, name and tag devices.
    Operator
);
permission!(
    /// May do all.
    Admin
);

/// A permission whose form token stands in a multipart body that nobody has read yet: for upload handlers, which
/// read it and then [`Unproven::prove`] it before anything is changed.
#[derive(Debug)]
pub struct Unproven<P> {
    permission: P,
    /// What the form must carry, when it has not been checked.
    wanted: Option<String>,
}

impl<P: Permission> Unproven<P> {
    /// The permission, if the form carried the session's token.
    ///
    /// # Errors
    /// 403 when it did not.
    pub fn prove(self, form_token: Option<&str>) -> Result<P, ApiError> {
        match self.wanted {
            Some(wanted) if !form_token.is_some_and(|given| same_token(given, &wanted)) => Err(bad_form_token()),
            _ => Ok(self.permission),
        }
    }
}

impl<P: Permission> FromRequest for Unproven<P> {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(permit::<P>(request, FormToken::MayFollow).map_err(Into::into).map(|permission| {
            let open = request.extensions().get::<Identity>().is_some_and(|identity| !identity.form_token_checked);
            let wanted = open.then(|| permission.csrf().to_owned());
            Self { permission, wanted }
        }))
    }
}

/// Who asks, for pages that show something to everybody: `None` when nobody has signed in.
pub struct Visitor(pub Option<Rc<Who>>);

impl FromRequest for Visitor {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(who(request))))
    }
}

/// Who sent this request, once [`identify`] has run.
#[must_use]
pub fn who(request: &HttpRequest) -> Option<Rc<Who>> {
    request.extensions().get::<Identity>().map(|identity| identity.who.clone())
}

/// What [`identify`] leaves with the request.
struct Identity {
    who: Rc<Who>,
    /// Whether the form token was right, or none is needed.
    form_token_checked: bool,
}

#[derive(PartialEq)]
enum FormToken {
    MustBeChecked,
    MayFollow,
}

fn permit<P: Permission>(request: &HttpRequest, form_token: FormToken) -> Result<P, ApiError> {
    let extensions = request.extensions();
    let identity = extensions.get::<Identity>().ok_or_else(ApiError::not_signed_in)?;
    demand_role(&identity.who, P::ROLE)?;
    if form_token == FormToken::MustBeChecked && !identity.form_token_checked {
        return Err(bad_form_token());
    }
    Ok(P::grant(identity.who.as_ref().clone(), Grant(())))
}

fn demand_role(who: &Who, role: Role) -> Result<(), ApiError> {
    if who.role >= role {
        return Ok(());
    }
    let message = format!("This needs the role {role}; {} is {}.", who.name, who.role);
    Err(ApiError::forbidden("forbidden", message))
}

fn bad_form_token() -> ApiError {
    ApiError::forbidden("bad_form_token", "The form is not of this session, or too old; load the page again.")
}

/// Middleware of a route: turns away who has not got the role that the route table names, before anything is read.
///
/// # Errors
/// Those of the route.
pub async fn demand(
    role: Role,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let checked = match who(request.request()) {
        Some(who) => demand_role(&who, role),
        None => Err(ApiError::not_signed_in()),
    };
    match checked {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(error) => Ok(request.error_response(error)),
    }
}

/// Middleware of the whole site: finds out who asks.
///
/// # Errors
/// Those of the routes.
pub async fn identify(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if !needs_identity(request.path()) {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    let renewed = match establish(&mut request).await {
        Ok(renewed) => renewed,
        Err(error) => return Ok(request.error_response(error)),
    };
    let mut response = next.call(request).await?.map_into_boxed_body();
    // A handler that has just signed in or out has set the cookie itself.
    if let Some(cookie) = renewed.filter(|cookie| response.response().cookies().all(|set| set.name() != cookie.name()))
    {
        response.response_mut().add_cookie(&cookie)?;
    }
    Ok(response)
}

/// Devices have tokens of their own, and files that everybody may read need no look into the database.
fn needs_identity(path: &str) -> bool {
    !matches!(path, "/ws" | "/healthz" | "/readyz" | "/favicon.ico") && !path.starts_with("/static/")
}

/// Leaves an [`Identity`] with the request, if somebody is known; gives the cookie of a prolonged session.
async fn establish(request: &mut ServiceRequest) -> Result<Option<Cookie<'static>>, ApiError> {
    let Some(state) = request.app_data::<web::Data<WebState>>().cloned() else {
        return Err(ApiError::internal("the routes were configured without their state"));
    };
    if let Some(token) = bearer(request.request())? {
        let found = state.store.api_token(&hash_token(token), state.clock.now()).await?;
        let token = found.ok_or_else(ApiError::bad_token)?;
        let who = Who { name: token.name, role: token.role, via: Via::Token { id: token.id } };
        request.extensions_mut().insert(Identity { who: Rc::new(who), form_token_checked: true });
        return Ok(None);
    }
    let changes = !request.method().is_safe();
    if changes && !origin(request, &state).is_ours() {
        let message = "The request comes from a page of another site.";
        return Err(ApiError::forbidden("cross_site", message));
    }
    let form = if changes { read_form(request).await? } else { None };
    let Some(key) = request.cookie(session::COOKIE) else { return Ok(None) };
    let Some(session) = session::read(&state, request.request(), key.value()).await? else {
        interrupted::keep(request, form.as_deref());
        return Ok(None);
    };
    // Whoever signs in shows who they are anew, and their page may be older than the session of another tab.
    let needs_token = changes && !matches!(request.path(), "/login" | "/login/code");
    let given = if needs_token { form_token(request, form.as_deref(), &session.csrf) } else { Ok(true) };
    let Session { user, csrf, key_hash, renewed } = session;
    let who = Who { name: user.name, role: user.role, via: Via::Session { user_id: user.id, key_hash, csrf } };
    let form_token_checked = matches!(given, Ok(true));
    request.extensions_mut().insert(Identity { who: Rc::new(who), form_token_checked });
    if given.is_err() {
        interrupted::keep(request, form.as_deref());
    }
    given.map(|_| renewed)
}

/// The token of `Authorization: Bearer TOKEN`.
///
/// # Errors
/// 401 when the header says something else.
pub fn bearer(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ApiError::bad_token())?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(ApiError::bad_token()),
    }
}

fn origin<'a>(request: &'a ServiceRequest, state: &'a WebState) -> Origin<'a> {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or(""));
    Origin {
        sec_fetch_site: text("sec-fetch-site"),
        origin: text("origin"),
        host: text("host").or_else(|| request.uri().authority().map(Authority::as_str)),
        public_url: state.config.public_url.as_deref(),
    }
}

/// Forms that strangers may send, whatever they call them.
const OPEN_FORMS: [&str; 3] = ["/login", "/login/code", "/setup"];

/// The body, where it is a page's form, and not for ever: strangers send such bodies too.
async fn read_form(request: &mut ServiceRequest) -> Result<Option<web::Bytes>, ApiError> {
    let is_form = request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if !is_form && !OPEN_FORMS.contains(&request.path()) {
        return Ok(None);
    }
    let body = params::in_time(request.extract::<web::Bytes>()).await?;
    let body = body.map_err(|error| match error.error_response().status().as_u16() {
        413 => ApiError::too_large("The form is too large."),
        _ => ApiError::unreadable("The form could not be read."),
    })?;
    request.set_payload(refilled(body.clone()));
    Ok(Some(body))
}

/// Whether the session's token came with the request: in the header `X-CSRF-Token`, or as the form's field `csrf`.
/// `false` leaves the question to [`Unproven::prove`].
fn form_token(request: &ServiceRequest, form: Option<&[u8]>, wanted: &str) -> Result<bool, ApiError> {
    let given = match (request.headers().get("x-csrf-token"), form) {
        (Some(header), _) => header.to_str().unwrap_or("").to_owned(),
        (None, Some(form)) => {
            let fields = params::pairs(&String::from_utf8_lossy(form));
            fields.into_iter().find(|(name, _)| name == "csrf").map(|(_, value)| value).unwrap_or_default()
        }
        (None, None) if request.content_type().eq_ignore_ascii_case("multipart/form-data") => return Ok(false),
        (None, None) => String::new(),
    };
    if same_token(&given, wanted) { Ok(true) } else { Err(bad_form_token()) }
}

/// A body that was read, to be read again by the handler.
fn refilled(body: web::Bytes) -> Payload {
    let (_, mut payload) = actix_http::h1::Payload::create(true);
    payload.unread_data(body);
    Payload::from(payload)
}
