//! Names: what stands before `@` in an address, first come, first served.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use waxwing_wire::address::Name;
use waxwing_wire::api::{NameRecord, NamedAccount};
use waxwing_wire::ids::AccountId;
use waxwing_wire::problem::Slug;

use super::caller::Signed;
use super::{App, Refusal, Shared};
use crate::store::{Expect, Space, StoreError};

/// Takes a name for the caller's account.
#[utoipa::path(put, path = "/v1/names/{name}", tag = "names",
    params(("name" = Name, Path)),
    request_body = NameRecord,
    responses((status = 201, body = NameRecord), (status = 200, body = NameRecord, description = "It was ours already")))]
pub(super) async fn put_name(
    State(app): State<Shared>,
    Path(name): Path<String>,
    signed: Signed,
) -> Result<(StatusCode, Json<NameRecord>), Refusal> {
    let name = parse(&name)?;
    let record: NameRecord = signed.json()?;
    let account = signed.caller.account;
    if record.account_id != account {
        return Err(Refusal::because(
            Slug::Forbidden,
            "A device takes names for its own account only.",
        ));
    }
    match owner(&app, &name).await? {
        Some(owner) if owner == account => return Ok((StatusCode::OK, Json(record))),
        Some(_) => return Err(taken()),
        None => {}
    }
    count(&app, account, &name).await?;
    let value = Bytes::copy_from_slice(account.as_bytes());
    match app
        .store
        .save(
            Space::Names,
            name.as_str().as_bytes(),
            Some(value),
            Expect::Absent,
        )
        .await
    {
        Ok(_) => Ok((StatusCode::CREATED, Json(record))),
        Err(StoreError::Conflict { .. }) if owner(&app, &name).await? == Some(account) => {
            Ok((StatusCode::OK, Json(record)))
        }
        Err(StoreError::Conflict { .. }) => Err(taken()),
        Err(error) => Err(error.into()),
    }
}

/// Whose a name is.
#[utoipa::path(get, path = "/v1/names/{name}", tag = "names",
    params(("name" = Name, Path)),
    responses((status = 200, body = NameRecord)))]
pub(super) async fn name(
    State(app): State<Shared>,
    Path(name): Path<String>,
    _signed: Signed,
) -> Result<Json<NameRecord>, Refusal> {
    let name = parse(&name)?;
    match owner(&app, &name).await? {
        Some(account_id) => Ok(Json(NameRecord { account_id })),
        None => Err(Refusal::because(
            Slug::UnknownName,
            "Nobody has this name at this relay.",
        )),
    }
}

/// The name of an account, for somebody who got an envelope from it; the first when it has several.
#[utoipa::path(get, path = "/v1/accounts/{account}/name", tag = "names",
    params(("account" = AccountId, Path, description = "The account, hex")),
    responses((status = 200, body = NamedAccount)))]
pub(super) async fn name_of(
    State(app): State<Shared>,
    Path(account): Path<String>,
    _signed: Signed,
) -> Result<Json<NamedAccount>, Refusal> {
    let account_id: AccountId = super::id(&account)?;
    let stored = app
        .store
        .load(Space::NamesOf, account_id.as_bytes())
        .await?;
    let noted: Vec<String> = match stored {
        Some(stored) => postcard::from_bytes(&stored.value).map_err(|_| Slug::Internal)?,
        None => Vec::new(),
    };
    // A name is noted before it is taken: who came second may have noted it too.
    for name in noted {
        let name = name.parse::<Name>().map_err(|_| Slug::Internal)?;
        if owner(&app, &name).await? == Some(account_id) {
            return Ok(Json(NamedAccount { name, account_id }));
        }
    }
    Err(Refusal::because(
        Slug::UnknownName,
        "This account has no name at this relay.",
    ))
}

fn parse(name: &str) -> Result<Name, Refusal> {
    name.parse()
        .map_err(|error| Refusal::because(Slug::NameInvalid, format!("{error}.")))
}

fn taken() -> Refusal {
    Refusal::because(Slug::NameTaken, "Choose another name.")
}

async fn owner(app: &App, name: &Name) -> Result<Option<AccountId>, StoreError> {
    let stored = app
        .store
        .load(Space::Names, name.as_str().as_bytes())
        .await?;
    Ok(stored.and_then(|stored| AccountId::try_from(&stored.value[..]).ok()))
}

/// Notes the name among the account's names, as long as it has few enough.
async fn count(app: &App, account: AccountId, name: &Name) -> Result<(), Refusal> {
    loop {
        let stored = app.store.load(Space::NamesOf, account.as_bytes()).await?;
        let expect = stored
            .as_ref()
            .map_or(Expect::Absent, |stored| Expect::Version(stored.version));
        let mut names: Vec<String> = match &stored {
            Some(stored) => postcard::from_bytes(&stored.value).map_err(|_| Slug::Internal)?,
            None => Vec::new(),
        };
        if names.iter().any(|known| known == name.as_str()) {
            return Ok(());
        }
        if names.len() >= app.config.names {
            let detail = format!(
                "One account may have {} names at this relay.",
                app.config.names
            );
            return Err(Refusal::because(Slug::Forbidden, detail));
        }
        names.push(name.as_str().to_owned());
        let value = postcard::to_stdvec(&names).map_err(|_| Slug::Internal)?;
        match app
            .store
            .save(
                Space::NamesOf,
                account.as_bytes(),
                Some(value.into()),
                expect,
            )
            .await
        {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
