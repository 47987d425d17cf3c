package admin

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// boundBody sets the time at which reading a body ends, also where it is net/http that reads it after a refusal. It is in
// force until the body has been read, or until the next request on the connection.
func boundBody(w http.ResponseWriter, req *http.Request, deadline time.Time) {
	if req.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(deadline) // where it cannot be set, the server's own limits hold
	}
}

// readBody reads the body of a request that may have one, up to the limit.
func readBody(w http.ResponseWriter, req *http.Request, limit int64) ([]byte, *answer) {
	if req.Method != http.MethodPost {
		if req.ContentLength != 0 {
			return nil, closing(refuse(CodeBadRequest, fmt.Errorf("%s has no body", req.Method)))
		}
		return nil, nil
	}
	tooLarge := fmt.Errorf("the body is larger than %d bytes", limit)
	if req.ContentLength > limit {
		return nil, closing(refuse(CodeBodyTooLarge, tooLarge))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, limit))
	switch exceeded := (*http.MaxBytesError)(nil); {
	case errors.As(err, &exceeded):
		return nil, closing(refuse(CodeBodyTooLarge, tooLarge))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, closing(refuse(CodeSlowBody, errors.New("the body did not arrive in time")))
	case err != nil:
		return nil, closing(refuse(CodeBadRequest, fmt.Errorf("the body could not be read: %w", err)))
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // or the client would be taken for gone
	if kind := req.Header.Values("Content-Type"); (len(body) > 0 || len(kind) > 0) && (len(kind) != 1 || !isJSONType(kind[0])) {
		return nil, refuse(CodeUnsupportedMediaType, errors.New("the body must be "+jsonType)).with("Accept", jsonType)
	}
	return body, nil
}

// closing ends the connection with the answer: the rest of the request is not read.
func closing(a *answer) *answer { return a.with("Connection", "close") }

// decode decodes the body into a struct of which all fields are named by tags. An empty body is an empty object.
func (q *question) decode(into any) *answer {
	body := q.body
	if len(body) == 0 {
		body = []byte("{}")
	}
	if err := decodeObject(body, into); err != nil {
		return refuse(CodeBadRequest, fmt.Errorf("the body cannot be used: %w", err))
	}
	return nil
}

// decodeObject decodes exactly one object, and wants each name of it once and spelt as it is: what encoding/json does with
// others is not what anybody would expect.
func decodeObject(data []byte, into any) error {
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	if err := checkNames(data, namesOf(into)); err != nil {
		return err
	}
	return fieldError(json.Unmarshal(data, into))
}

func checkNames(data []byte, known []string) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	token, err := decoder.Token()
	if err != nil {
		return syntaxError(err)
	}
	if token != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	var seen []any
	for decoder.More() {
		name, err := decoder.Token() // a string: the decoder sees to that
		if err != nil {
			return syntaxError(err)
		}
		switch {
		case !slices.Contains(known, fmt.Sprint(name)):
			return fmt.Errorf("there is no field %q here, but %s", name, cmp.Or(strings.Join(known, ", "), "none at all"))
		case slices.Contains(seen, any(name)):
			return fmt.Errorf("field %q is there twice", name)
		}
		seen = append(seen, name)
		if err := decoder.Decode(new(json.RawMessage)); err != nil {
			return syntaxError(err)
		}
	}
	if _, err := decoder.Token(); err != nil {
		return syntaxError(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the JSON object")
	}
	return nil
}

func syntaxError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends in the midst of a JSON object")
	}
	return fmt.Errorf("it is not JSON: %w", err)
}

// namesOf returns the names of a struct's fields in JSON.
func namesOf(into any) []string {
	var names []string
	kind := reflect.TypeOf(into).Elem()
	for i := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// fieldError says in the client's words what does not fit.
func fieldError(err error) error {
	var wrong *json.UnmarshalTypeError
	var base base64.CorruptInputError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("field %q must be %s, not a %s", wrong.Field, kinds[wrong.Type.Kind()], wrong.Value)
	case errors.As(err, &base):
		return fmt.Errorf("field \"dataBase64\" is not base64 with padding: %w", err)
	}
	return err
}

var kinds = map[reflect.Kind]string{
	reflect.String: "a string", reflect.Slice: "a string", reflect.Bool: "true or false",
	reflect.Int: "a whole number", reflect.Uint64: "a whole number from 0 on",
}
