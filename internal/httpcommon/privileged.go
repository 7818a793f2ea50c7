package httpcommon

import (
	"net/http"
	"strings"
)

// Privileged reports whether a request may do what only this host may, and
// refuses it if not.
func Privileged(w http.ResponseWriter, r *http.Request) bool {
	if !Caller(r).IsLocal() {
		Unauthorised(w, Caller(r))
		return false
	}
	return Direct(w, r)
}

// Direct reports whether a request comes from a program that speaks for the
// machine it runs on, and refuses it if not. A program that sends others' requests
// on, a proxy or a browser, speaks for them; such programs say so in headers, which
// neither curl nor libvirt's hook nor cloud-init sends.
func Direct(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case fromBrowser(r.Header):
		Refuse(w, http.StatusForbidden, "Forbidden: sent by a page in a browser")
	case forwarded(r.Header):
		Refuse(w, http.StatusForbidden, "Forbidden: sent on by a proxy")
	default:
		return true
	}
	return false
}

// fromBrowser reports whether another site than this one made a browser send the
// request. Source: the Fetch standard and W3C's Fetch Metadata Request Headers.
func fromBrowser(header http.Header) bool {
	if _, ok := header["Origin"]; ok {
		return true
	}
	for _, site := range header["Sec-Fetch-Site"] {
		if site != "none" && site != "same-origin" {
			return true
		}
	}
	return false
}

// forwarded reports whether a proxy sent the request on: RFC 9110's Via, RFC
// 7239's Forwarded, and what is usual in their place.
func forwarded(header http.Header) bool {
	for name := range header {
		switch {
		case name == "Via", name == "Forwarded", name == "X-Real-Ip", strings.HasPrefix(name, "X-Forwarded-"):
			return true
		}
	}
	return false
}
