//! The table of problem codes. `docs/errors.md` is this table; a test compares them.

use super::Language;

/// A stable code of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The body must be a JSON object.
    MalformedJson,
    /// The request can't be understood.
    BadRequest,
    /// Sign in and send the access token.
    Unauthenticated,
    /// The access token has expired; refresh it.
    TokenExpired,
    /// The token is not valid for this.
    TokenInvalid,
    /// The sign-in was ended; sign in again.
    TokenRevoked,
    /// The e-mail or the password is wrong.
    WrongCredentials,
    /// The refresh token is not valid or has ended.
    RefreshTokenInvalid,
    /// The token had been used before; the sign-in was ended for safety.
    RefreshTokenReused,
    /// Your account may not do this.
    Forbidden,
    /// A page of that origin may not send such a request.
    PreflightRefused,
    /// This promotion is for other segments of shoppers.
    NotEligible,
    /// You are too far from the store to claim.
    TooFar,
    /// It does not exist, or it is not yours.
    NotFound,
    /// This route does not take that method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// There is an account with that e-mail.
    EmailTaken,
    /// No units are left.
    SoldOut,
    /// The units that are left are held; some may return.
    AllHeld,
    /// You have as many units as one may have.
    LimitReached,
    /// The promotion has not started yet.
    NotStarted,
    /// The promotion has ended.
    Ended,
    /// The promotion is paused.
    Paused,
    /// The promotion was cancelled.
    Cancelled,
    /// The hold has expired and its units went back.
    HoldExpired,
    /// It is confirmed already and can't be cancelled.
    AlreadyConfirmed,
    /// It was cancelled before.
    AlreadyCancelled,
    /// It was redeemed before.
    AlreadyRedeemed,
    /// It is not confirmed yet; only confirmed claims are redeemed.
    NotConfirmed,
    /// This can't be done in its present state.
    WrongState,
    /// Stock can't go below what is held and sold.
    StockBelowCommitted,
    /// It has running promotions, series or stores; end those first.
    StillInUse,
    /// That person owns the store and keeps that role.
    IsOwner,
    /// The product is not available for promotions.
    ProductUnavailable,
    /// Something changed meanwhile; look again and retry.
    Conflict,
    /// The body is larger than 64 KiB.
    BodyTooLarge,
    /// The address is too long.
    UriTooLong,
    /// Send application/json.
    UnsupportedMediaType,
    /// Some fields are not valid; see errors.
    Invalid,
    /// To claim, say where you are.
    LocationRequired,
    /// The key was used for another request.
    IdempotencyKeyReused,
    /// Only WebSocket, version 13, is spoken here.
    UpgradeRequired,
    /// Wait a moment and try again.
    RateLimited,
    /// Something failed on our side; it has been recorded.
    Internal,
    /// Too many people at once; nothing was done.
    Overloaded,
    /// It is not known whether it was done; repeat with the same key.
    OutcomeUnknown,
    /// Not possible right now; nothing was done.
    Unavailable,
}

impl Code {
    /// Every code, by status.
    pub const ALL: [Code; 47] = [
        Self::MalformedJson,
        Self::BadRequest,
        Self::Unauthenticated,
        Self::TokenExpired,
        Self::TokenInvalid,
        Self::TokenRevoked,
        Self::WrongCredentials,
        Self::RefreshTokenInvalid,
        Self::RefreshTokenReused,
        Self::Forbidden,
        Self::PreflightRefused,
        Self::NotEligible,
        Self::TooFar,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::EmailTaken,
        Self::SoldOut,
        Self::AllHeld,
        Self::LimitReached,
        Self::NotStarted,
        Self::Ended,
        Self::Paused,
        Self::Cancelled,
        Self::HoldExpired,
        Self::AlreadyConfirmed,
        Self::AlreadyCancelled,
        Self::AlreadyRedeemed,
        Self::NotConfirmed,
        Self::WrongState,
        Self::StockBelowCommitted,
        Self::StillInUse,
        Self::IsOwner,
        Self::ProductUnavailable,
        Self::Conflict,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::LocationRequired,
        Self::IdempotencyKeyReused,
        Self::UpgradeRequired,
        Self::RateLimited,
        Self::Internal,
        Self::Overloaded,
        Self::OutcomeUnknown,
        Self::Unavailable,
    ];

    /// The code as clients see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::TokenExpired => "token_expired",
            Self::TokenInvalid => "token_invalid",
            Self::TokenRevoked => "token_revoked",
            Self::WrongCredentials => "wrong_credentials",
            Self::RefreshTokenInvalid => "refresh_token_invalid",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::Forbidden => "forbidden",
            Self::PreflightRefused => "preflight_refused",
            Self::NotEligible => "not_eligible",
            Self::TooFar => "too_far",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::EmailTaken => "email_taken",
            Self::SoldOut => "sold_out",
            Self::AllHeld => "all_held",
            Self::LimitReached => "limit_reached",
            Self::NotStarted => "not_started",
            Self::Ended => "ended",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::HoldExpired => "hold_expired",
            Self::AlreadyConfirmed => "already_confirmed",
            Self::AlreadyCancelled => "already_cancelled",
            Self::AlreadyRedeemed => "already_redeemed",
            Self::NotConfirmed => "not_confirmed",
            Self::WrongState => "wrong_state",
            Self::StockBelowCommitted => "stock_below_committed",
            Self::StillInUse => "still_in_use",
            Self::IsOwner => "is_owner",
            Self::ProductUnavailable => "product_unavailable",
            Self::Conflict => "conflict",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Invalid => "invalid",
            Self::LocationRequired => "location_required",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::UpgradeRequired => "upgrade_required",
            Self::RateLimited => "rate_limited",
            Self::Internal => "internal",
            Self::Overloaded => "overloaded",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Unavailable => "unavailable",
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::MalformedJson | Self::BadRequest => 400,
            Self::Unauthenticated
            | Self::TokenExpired
            | Self::TokenInvalid
            | Self::TokenRevoked
            | Self::WrongCredentials
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenReused => 401,
            Self::Forbidden | Self::PreflightRefused | Self::NotEligible | Self::TooFar => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::EmailTaken
            | Self::SoldOut
            | Self::AllHeld
            | Self::LimitReached
            | Self::NotStarted
            | Self::Ended
            | Self::Paused
            | Self::Cancelled
            | Self::HoldExpired
            | Self::AlreadyConfirmed
            | Self::AlreadyCancelled
            | Self::AlreadyRedeemed
            | Self::NotConfirmed
            | Self::WrongState
            | Self::StockBelowCommitted
            | Self::StillInUse
            | Self::IsOwner
            | Self::ProductUnavailable
            | Self::Conflict => 409,
            Self::RequestTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::UriTooLong => 414,
            Self::UnsupportedMediaType => 415,
            Self::Invalid | Self::LocationRequired | Self::IdempotencyKeyReused => 422,
            Self::UpgradeRequired => 426,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Overloaded | Self::OutcomeUnknown | Self::Unavailable => 503,
        }
    }

    /// A short name of the problem.
    pub fn title(self, language: Language) -> &'static str {
        let (spanish, english) = match self {
            Self::MalformedJson => ("JSON incorrecto", "Malformed JSON"),
            Self::BadRequest => ("Petición incorrecta", "Bad request"),
            Self::Unauthenticated => ("Sin identificar", "Not signed in"),
            Self::TokenExpired => ("Token caducado", "Token expired"),
            Self::TokenInvalid => ("Token no válido", "Invalid token"),
            Self::TokenRevoked => ("Token revocado", "Token revoked"),
            Self::WrongCredentials => ("Datos de acceso incorrectos", "Wrong credentials"),
            Self::RefreshTokenInvalid => ("Token de renovación no válido", "Invalid refresh token"),
            Self::RefreshTokenReused => ("Token de renovación reutilizado", "Refresh token used again"),
            Self::Forbidden => ("No permitido", "Forbidden"),
            Self::PreflightRefused => ("Origen no admitido", "Preflight refused"),
            Self::NotEligible => ("No es para su segmento", "Not eligible"),
            Self::TooFar => ("Demasiado lejos", "Too far"),
            Self::NotFound => ("No existe", "Not found"),
            Self::MethodNotAllowed => ("Método no permitido", "Method not allowed"),
            Self::EmailTaken => ("Correo en uso", "E-mail taken"),
            Self::SoldOut => ("Agotado", "Sold out"),
            Self::AllHeld => ("Todo reservado", "All held"),
            Self::LimitReached => ("Límite alcanzado", "Limit reached"),
            Self::NotStarted => ("Aún no empieza", "Not started"),
            Self::Ended => ("Terminada", "Ended"),
            Self::Paused => ("En pausa", "Paused"),
            Self::Cancelled => ("Cancelada", "Cancelled"),
            Self::HoldExpired => ("Reserva caducada", "Hold expired"),
            Self::AlreadyConfirmed => ("Ya confirmado", "Already confirmed"),
            Self::AlreadyCancelled => ("Ya cancelado", "Already cancelled"),
            Self::AlreadyRedeemed => ("Ya canjeado", "Already redeemed"),
            Self::NotConfirmed => ("Sin confirmar", "Not confirmed"),
            Self::WrongState => ("Estado incorrecto", "Wrong state"),
            Self::StockBelowCommitted => ("Existencias insuficientes", "Stock below committed"),
            Self::StillInUse => ("Todavía en uso", "Still in use"),
            Self::IsOwner => ("Es quien posee la tienda", "Is the owner"),
            Self::ProductUnavailable => ("Producto no disponible", "Product unavailable"),
            Self::Conflict => ("Conflicto", "Conflict"),
            Self::RequestTimeout => ("Petición demasiado lenta", "Request too slow"),
            Self::BodyTooLarge => ("Cuerpo demasiado grande", "Body too large"),
            Self::UriTooLong => ("Dirección demasiado larga", "Address too long"),
            Self::UnsupportedMediaType => ("Tipo no admitido", "Unsupported media type"),
            Self::Invalid => ("Datos no válidos", "Invalid"),
            Self::LocationRequired => ("Falta la ubicación", "Location required"),
            Self::IdempotencyKeyReused => ("Clave reutilizada", "Idempotency key used again"),
            Self::UpgradeRequired => ("Se requiere WebSocket", "Upgrade required"),
            Self::RateLimited => ("Demasiadas peticiones", "Too many requests"),
            Self::Internal => ("Error interno", "Internal error"),
            Self::Overloaded => ("Saturado", "Overloaded"),
            Self::OutcomeUnknown => ("Resultado desconocido", "Outcome unknown"),
            Self::Unavailable => ("No disponible", "Unavailable"),
        };
        match language {
            Language::Spanish => spanish,
            Language::English => english,
        }
    }

    /// What it means and what to do, where nothing more particular is known.
    pub fn detail(self, language: Language) -> &'static str {
        let (spanish, english) = match self {
            Self::MalformedJson => ("El cuerpo debe ser un objeto JSON.", "The body must be a JSON object."),
            Self::BadRequest => ("La petición no se puede entender.", "The request can't be understood."),
            Self::Unauthenticated => {
                ("Inicie sesión y envíe el token de acceso.", "Sign in and send the access token.")
            }
            Self::TokenExpired => {
                ("El token de acceso ha caducado; renuévelo.", "The access token has expired; refresh it.")
            }
            Self::TokenInvalid => ("El token no es válido para esto.", "The token is not valid for this."),
            Self::TokenRevoked => {
                ("La sesión fue cerrada; inicie sesión de nuevo.", "The sign-in was ended; sign in again.")
            }
            Self::WrongCredentials => {
                ("El correo o la contraseña no son correctos.", "The e-mail or the password is wrong.")
            }
            Self::RefreshTokenInvalid => (
                "El token de renovación no es válido o ya terminó.",
                "The refresh token is not valid or has ended.",
            ),
            Self::RefreshTokenReused => (
                "El token ya se había usado; por seguridad se cerró la sesión.",
                "The token had been used before; the sign-in was ended for safety.",
            ),
            Self::Forbidden => ("Su cuenta no puede hacer esto.", "Your account may not do this."),
            Self::PreflightRefused => (
                "Una página de ese origen no puede enviar esa petición.",
                "A page of that origin may not send such a request.",
            ),
            Self::NotEligible => (
                "Esta promoción es para otros segmentos de compradores.",
                "This promotion is for other segments of shoppers.",
            ),
            Self::TooFar => (
                "Está demasiado lejos de la tienda para reclamar.",
                "You are too far from the store to claim.",
            ),
            Self::NotFound => ("No existe, o no es suyo.", "It does not exist, or it is not yours."),
            Self::MethodNotAllowed => {
                ("Esta ruta no admite ese método.", "This route does not take that method.")
            }
            Self::EmailTaken => {
                ("Ya hay una cuenta con ese correo.", "There is an account with that e-mail.")
            }
            Self::SoldOut => ("No quedan unidades.", "No units are left."),
            Self::AllHeld => (
                "Las unidades que quedan están reservadas; puede que alguna vuelva.",
                "The units that are left are held; some may return.",
            ),
            Self::LimitReached => {
                ("Ya tiene todas las unidades que puede tener.", "You have as many units as one may have.")
            }
            Self::NotStarted => {
                ("La promoción todavía no ha empezado.", "The promotion has not started yet.")
            }
            Self::Ended => ("La promoción terminó.", "The promotion has ended."),
            Self::Paused => ("La promoción está en pausa.", "The promotion is paused."),
            Self::Cancelled => ("La promoción fue cancelada.", "The promotion was cancelled."),
            Self::HoldExpired => (
                "La reserva caducó y sus unidades volvieron.",
                "The hold has expired and its units went back.",
            ),
            Self::AlreadyConfirmed => (
                "Ya está confirmado y no se puede cancelar.",
                "It is confirmed already and can't be cancelled.",
            ),
            Self::AlreadyCancelled => ("Ya estaba cancelado.", "It was cancelled before."),
            Self::AlreadyRedeemed => ("Ya estaba canjeado.", "It was redeemed before."),
            Self::NotConfirmed => (
                "Aún no está confirmado; solo se canjea lo confirmado.",
                "It is not confirmed yet; only confirmed claims are redeemed.",
            ),
            Self::WrongState => {
                ("En su estado actual no se puede hacer esto.", "This can't be done in its present state.")
            }
            Self::StockBelowCommitted => (
                "Las existencias no pueden bajar de lo reservado y vendido.",
                "Stock can't go below what is held and sold.",
            ),
            Self::StillInUse => (
                "Tiene promociones, series o tiendas activas; termínelas primero.",
                "It has running promotions, series or stores; end those first.",
            ),
            Self::IsOwner => (
                "Esa persona posee la tienda y conserva ese papel.",
                "That person owns the store and keeps that role.",
            ),
            Self::ProductUnavailable => (
                "El producto no está disponible para promociones.",
                "The product is not available for promotions.",
            ),
            Self::Conflict => (
                "Algo cambió entretanto; consulte e inténtelo de nuevo.",
                "Something changed meanwhile; look again and retry.",
            ),
            Self::RequestTimeout => ("El cuerpo no llegó a tiempo.", "The body did not arrive in time."),
            Self::BodyTooLarge => ("El cuerpo supera los 64 KiB.", "The body is larger than 64 KiB."),
            Self::UriTooLong => ("La dirección es demasiado larga.", "The address is too long."),
            Self::UnsupportedMediaType => ("Envíe application/json.", "Send application/json."),
            Self::Invalid => {
                ("Hay campos que no son válidos; vea errors.", "Some fields are not valid; see errors.")
            }
            Self::LocationRequired => {
                ("Para reclamar hay que decir dónde se está.", "To claim, say where you are.")
            }
            Self::IdempotencyKeyReused => {
                ("La clave ya se usó para otra petición.", "The key was used for another request.")
            }
            Self::UpgradeRequired => {
                ("Aquí solo se habla WebSocket, versión 13.", "Only WebSocket, version 13, is spoken here.")
            }
            Self::RateLimited => ("Espere un momento e inténtelo de nuevo.", "Wait a moment and try again."),
            Self::Internal => (
                "Algo falló de nuestro lado; ya quedó registrado.",
                "Something failed on our side; it has been recorded.",
            ),
            Self::Overloaded => (
                "Hay demasiada gente a la vez; no se hizo nada.",
                "Too many people at once; nothing was done.",
            ),
            Self::OutcomeUnknown => (
                "No se sabe si se hizo; repita con la misma clave.",
                "It is not known whether it was done; repeat with the same key.",
            ),
            Self::Unavailable => {
                ("Por ahora no es posible; no se hizo nada.", "Not possible right now; nothing was done.")
            }
        };
        match language {
            Language::Spanish => spanish,
            Language::English => english,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_documented_table_is_this_one() {
        let documented = include_str!("../../docs/errors.md");
        let rows: Vec<&str> = documented.lines().filter(|line| line.starts_with("| `")).collect();
        let table: Vec<String> = Code::ALL
            .iter()
            .map(|code| {
                let (spanish, english) = (code.detail(Language::Spanish), code.detail(Language::English));
                format!("| `{}` | {} | {english} | {spanish} |", code.as_str(), code.status())
            })
            .collect();
        assert_eq!(rows, table);
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
    }
}
