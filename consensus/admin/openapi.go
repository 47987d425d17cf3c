package admin

import (
	"bytes"
	_ "embed"
)

//go:embed openapi.json
var openAPI []byte

// describe returns the description of the API below a prefix.
func describe(prefix string) []byte {
	if prefix == "" {
		return openAPI
	}
	server, err := encode(prefix)
	if err != nil {
		panic(err) // it is a string
	}
	return bytes.Replace(openAPI, []byte(`"url": "/"`), append([]byte(`"url": `), server...), 1)
}
