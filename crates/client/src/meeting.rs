//! Where two devices meet at a relay to be linked. Nobody signs these calls: the new device is nobody
//! yet (docs/protocol.md section 8).

use crate::line::{LONG_POLL_PATIENCE, LONG_POLL_SECONDS, LineError, PATIENCE, accept};
use crate::view::Reason;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use url::Url;
use waxwing_wire::api::MEDIA_LINK;
use waxwing_wire::ids::LinkId;
use waxwing_wire::limits::MAX_LINK_BYTES;
use waxwing_wire::link::LinkSlot;

/// One link at one relay.
#[derive(Clone)]
pub(crate) struct Meeting {
    http: Client,
    base: Url,
    link: LinkId,
}

impl Meeting {
    pub(crate) fn new(http: Client, base: Url, link: LinkId) -> Self {
        Self { http, base, link }
    }

    /// Writes a message; the same one may be written again.
    pub(crate) async fn put(&self, slot: LinkSlot, body: Vec<u8>) -> Result<(), LineError> {
        let call = self.call(Method::PUT, &format!("/{}", slot.as_str()))?;
        let call = call.header(CONTENT_TYPE, MEDIA_LINK).body(body);
        accept(call.timeout(PATIENCE).send().await?).await?;
        Ok(())
    }

    /// Reads a message; none when it is not written yet. To wait is up to 25 seconds.
    pub(crate) async fn get(
        &self,
        slot: LinkSlot,
        wait: bool,
    ) -> Result<Option<Vec<u8>>, LineError> {
        let wait = if wait { LONG_POLL_SECONDS } else { 0 };
        let call = self.call(Method::GET, &format!("/{}?wait={wait}", slot.as_str()))?;
        let answer = accept(call.timeout(LONG_POLL_PATIENCE).send().await?).await?;
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let body = answer.bytes().await?;
        if body.len() > MAX_LINK_BYTES {
            return Err(LineError::of(Reason::RelayError));
        }
        Ok(Some(body.to_vec()))
    }

    /// Ends the link for both.
    pub(crate) async fn end(&self) -> Result<(), LineError> {
        accept(
            self.call(Method::DELETE, "")?
                .timeout(PATIENCE)
                .send()
                .await?,
        )
        .await?;
        Ok(())
    }

    fn call(&self, method: Method, rest: &str) -> Result<RequestBuilder, LineError> {
        let url = self.base.join(&format!("v1/links/{}{rest}", self.link));
        let url = url.map_err(|_| LineError::of(Reason::RelayUnreachable))?;
        Ok(self.http.request(method, url))
    }
}
