package admin

import "mime"

const jsonType = "application/json"

// isJSONType says whether a Content-Type is that of JSON. Its character set is UTF-8 by definition.
func isJSONType(contentType string) bool {
	media, parameters, err := mime.ParseMediaType(contentType)
	return err == nil && media == jsonType && (parameters["charset"] == "" || parameters["charset"] == "utf-8" || parameters["charset"] == "UTF-8")
}
