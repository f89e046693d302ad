//! Errors as Blob Storage says them: a name in a header, and XML with the name and a sentence.

/// A refusal of the blob endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobError {
    /// The HTTP status.
    pub status: u16,
    /// The name.
    pub code: &'static str,
    /// A sentence.
    pub message: String,
}

impl BlobError {
    /// A refusal.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// No usable token; one and the same for whatever is wrong with it.
    pub fn unauthenticated() -> Self {
        let message = "Server failed to authenticate the request. Make sure the token is formed and signed correctly.";
        Self::new(403, "AuthenticationFailed", message)
    }

    /// The token does not allow that.
    pub fn not_permitted() -> Self {
        let message = "This request is not authorized to perform this operation using this permission.";
        Self::new(403, "AuthorizationPermissionMismatch", message)
    }

    /// There is no such blob.
    pub fn not_found() -> Self {
        Self::new(404, "BlobNotFound", "The specified blob does not exist.")
    }

    /// Storage has it, this hub has not.
    pub fn not_supported(what: &str) -> Self {
        let text =
            format!("{what} is not supported by this local hub (iotplay). Its document docs/hub.md lists what is.");
        Self::new(501, "NotImplemented", text)
    }

    /// A header is missing.
    pub fn missing_header(name: &str) -> Self {
        Self::new(400, "MissingRequiredHeader", format!("The header {name} must be set."))
    }

    /// A header has a value that cannot be.
    pub fn bad_header(name: &str, message: &str) -> Self {
        Self::new(400, "InvalidHeaderValue", format!("The header {name} cannot be used: {message}."))
    }

    /// A query parameter has a value that cannot be.
    pub fn bad_parameter(name: &str, message: &str) -> Self {
        Self::new(400, "InvalidQueryParameterValue", format!("The parameter {name} cannot be used: {message}."))
    }

    /// Larger than one blob may be.
    pub fn too_large(most: u64) -> Self {
        Self::new(413, "RequestBodyTooLarge", format!("A file has at most {most} bytes at this hub."))
    }

    /// The hub's folder has as much as it may have. Storage knows no such limit, so the name is this hub's own.
    pub fn full(most: u64) -> Self {
        let text =
            format!("The files of this hub have at most {most} bytes together: remove some, or raise its limit.");
        Self::new(403, "UploadsFull", text)
    }

    /// A condition of the request was not met.
    pub fn condition() -> Self {
        Self::new(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")
    }

    /// The hub failed; the request may be sent again.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// The hub has too much to do; the request may be sent again.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(503, "ServerBusy", message)
    }

    /// The XML.
    pub fn body(&self) -> String {
        let message = quick_xml::escape::escape(&self.message);
        let code = self.code;
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_xml_whatever_the_message() {
        let error = BlobError::new(400, "InvalidBlockList", "`<a>&\"` is no id");
        assert_eq!(
            error.body(),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>InvalidBlockList</Code>\
             <Message>`&lt;a&gt;&amp;&quot;` is no id</Message></Error>"
        );
    }
}
