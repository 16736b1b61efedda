package server

import (
	"net/http"
	"strconv"
	"strings"
)

// refuse answers a request that the API never saw, as the reference's HTTP layer does: with a page,
// or with an object where the client takes JSON.
// Source: Jetty 12, org.eclipse.jetty.server.handler.ErrorHandler.
func refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	reason := http.StatusText(status)
	if message == "" {
		message = reason
	}
	uri := r.URL.EscapedPath()
	var body, contentType string
	if strings.Contains(strings.Join(r.Header["Accept"], ","), "application/json") {
		contentType = "application/json"
		body = `{"url":` + jsonText(uri) + `,"status":"` + strconv.Itoa(status) + `","message":` + jsonText(message) + `}`
	} else {
		contentType = "text/html;charset=iso-8859-1"
		title := strconv.Itoa(status) + " " + htmlText(message)
		body = "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n" +
			"<title>Error " + title + "</title>\n</head>\n<body>\n<h2>HTTP ERROR " + title + "</h2>\n<table>\n" +
			"<tr><th>URI:</th><td>" + htmlText(uri) + "</td></tr>\n<tr><th>STATUS:</th><td>" + strconv.Itoa(status) + "</td></tr>\n" +
			"<tr><th>MESSAGE:</th><td>" + htmlText(message) + "</td></tr>\n</table>\n\n</body>\n</html>\n"
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	if len(h["Cache-Control"]) == 0 {
		h.Set("Cache-Control", "must-revalidate,no-cache,no-store")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body)) // a client that is gone cannot be told
	}
}

// htmlText escapes what a client sent, so that the page shows it and nothing more.
func htmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}

// jsonText is s in quotes; escaped paths and our own messages hold no control characters.
func jsonText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
