//! Where a request comes from: whether a page of another site may have sent it.

use subtle::ConstantTimeEq as _;

/// What a browser says about the origin of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// `Sec-Fetch-Site`; sent by every browser of today to https and localhost.
    pub sec_fetch_site: Option<&'a str>,
    /// `Origin`
    pub origin: Option<&'a str>,
    /// `Host`
    pub host: Option<&'a str>,
    /// Under which URL people reach the server, where it is set.
    pub public_url: Option<&'a str>,
}

impl Origin<'_> {
    /// Whether the request is from a page of ours, or from no browser at all.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        if let Some(site) = self.sec_fetch_site {
            return matches!(site, "same-origin" | "none");
        }
        let Some(origin) = self.origin else { return true };
        let from = authority(origin);
        from.is_some() && [self.public_url.and_then(authority), self.host].contains(&from)
    }
}

/// `host:port` of a URL.
fn authority(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    // Browsers leave the scheme's own port out of both headers; people may write it in the public URL.
    let own_port = if scheme == "https" { ":443" } else { ":80" };
    Some(authority.strip_suffix(own_port).unwrap_or(authority)).filter(|text| !text.is_empty())
}

/// Whether a form's token is the session's; takes as long for a wrong one as for the right one.
#[must_use]
pub fn same_token(given: &str, wanted: &str) -> bool {
    given.as_bytes().ct_eq(wanted.as_bytes()).into()
}

/// The path to go to after signing in, if it is one of ours: `//other.site` and `/\other.site` are not.
#[must_use]
pub fn local_path(next: &str) -> Option<&str> {
    let plain = !next.contains('\\') && !next.chars().any(char::is_control) && next.len() <= 2000;
    (plain && next.starts_with('/') && !next.starts_with("//")).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_believed_when_it_says_where_a_request_is_from() {
        for (site, ours) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)] {
            let origin = Origin { sec_fetch_site: Some(site), ..Origin::default() };
            assert_eq!(origin.is_ours(), ours, "{site}");
        }
    }

    #[test]
    fn an_origin_must_be_the_host_or_the_public_url() {
        let from = |origin, host, public_url| Origin { sec_fetch_site: None, origin, host, public_url }.is_ours();
        assert!(from(None, Some("a:1"), None), "no browser");
        assert!(from(Some("http://a:1"), Some("a:1"), None));
        assert!(from(Some("https://fleet.example"), Some("10.0.0.1:8080"), Some("https://fleet.example:443/x")));
        for evil in ["null", "", "http://a:2", "http://a:1.evil", "http://", "https://fleet.example.evil"] {
            assert!(!from(Some(evil), Some("a:1"), Some("https://fleet.example")), "{evil}");
        }
        assert!(!from(Some("null"), None, None));
    }

    #[test]
    fn only_a_path_of_ours_is_gone_to_after_signing_in() {
        assert_eq!(local_path("/devices?q=a"), Some("/devices?q=a"));
        for bad in ["", "devices", "//evil", "/\\evil", "http://evil", "/a\nb", "javascript:alert(1)"] {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_form_token_must_be_the_very_same() {
        assert!(same_token("abc", "abc"));
        assert!(!same_token("abd", "abc") && !same_token("", "abc") && !same_token("abcd", "abc"));
    }
}
