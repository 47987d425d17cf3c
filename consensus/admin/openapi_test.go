package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// description is what the tests look at in openapi.json.
type description struct {
	Version string `json:"openapi"`
	Servers []struct {
		URL string `json:"url"`
	} `json:"servers"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Responses map[string]response       `json:"responses"`
		Schemas   map[string]map[string]any `json:"schemas"`
		Security  map[string]map[string]any `json:"securitySchemes"`
	} `json:"components"`
}

type operation struct {
	Security   []map[string]any `json:"security"`
	Parameters []struct {
		Name string `json:"name"`
	} `json:"parameters"`
	RequestBody *response           `json:"requestBody"`
	Responses   map[string]response `json:"responses"`
}

type response struct {
	Ref     string         `json:"$ref"`
	Headers map[string]any `json:"headers"`
	Content map[string]struct {
		Schema struct {
			Ref string `json:"$ref"`
		} `json:"schema"`
	} `json:"content"`
}

var described = sync.OnceValue(func() description {
	var d description
	if err := json.Unmarshal(openAPI, &d); err != nil {
		panic(err)
	}
	return d
})

// response returns what is described of a status, references followed.
func (d description) response(o operation, status int) (response, bool) {
	r, found := o.Responses[strconv.Itoa(status)]
	if name, referred := strings.CutPrefix(r.Ref, "#/components/responses/"); referred {
		r, found = d.Components.Responses[name]
	}
	return r, found
}

// schemas are those of the description, except that they allow no field that is not described.
var schemas = sync.OnceValue(func() *jsonschema.Compiler {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI))
	if err != nil {
		panic(err)
	}
	closeObjects(document)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", document); err != nil {
		panic(err)
	}
	return c
})

func closeObjects(value any) {
	switch value := value.(type) {
	case map[string]any:
		if _, isObject := value["properties"].(map[string]any); isObject && value["type"] == "object" {
			value["additionalProperties"] = false
		}
		for _, inner := range value {
			closeObjects(inner)
		}
	case []any:
		for _, inner := range value {
			closeObjects(inner)
		}
	}
}

var compiling sync.Mutex

func assertFits(t *testing.T, reference string, body []byte) {
	t.Helper()
	compiling.Lock()
	schema, err := schemas().Compile("openapi.json" + reference)
	compiling.Unlock()
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err, "%q", body)
	assert.NoError(t, schema.Validate(value), "%s: %s", reference, body)
}

// assertDescribed asserts that an answer is as openapi.json says. It is called for every answer in the tests.
func assertDescribed(t *testing.T, method, target string, status int, head http.Header, body []byte) {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return
	}
	path := u.EscapedPath()
	if i := slices.IndexFunc(routes, func(r *route) bool { return strings.HasSuffix(path, r.path) }); i >= 0 {
		path = routes[i].path
	}
	if method == http.MethodHead {
		method = http.MethodGet
		body = nil
	}
	o, found := described().Paths[path][map[string]string{http.MethodGet: "get", http.MethodPost: "post"}[method]]
	if !found || status == http.StatusNotFound && bytes.Contains(body, []byte(`"code":"`+CodeNotFound+`"`)) {
		assert.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, status, "%s %s is not described", method, path)
		return
	}
	r, found := described().response(o, status)
	if !assert.True(t, found, "%s %s: status %d is not described: %s", method, path, status, body) {
		return
	}
	for name := range r.Headers {
		if name != "Location" && name != "Retry-After" { // they are not always there
			assert.NotEmpty(t, head.Get(name), "%s %s %d: header %s", method, path, status, name)
		}
	}
	for _, name := range []string{"Location", "Retry-After", "Www-Authenticate"} {
		if head.Get(name) != "" {
			assert.True(t, slices.ContainsFunc(keys(r.Headers), func(n string) bool { return strings.EqualFold(n, name) }), "%s %s %d: header %s is not described", method, path, status, name)
		}
	}
	media, _, _ := strings.Cut(head.Get("Content-Type"), ";")
	content, found := r.Content[media]
	if assert.True(t, found, "%s %s %d: %s is not described", method, path, status, media) && content.Schema.Ref != "" && body != nil {
		assertFits(t, content.Schema.Ref, body)
	}
}

func keys[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func TestDescriptionHasExactlyTheRoutesThereAre(t *testing.T) {
	d := described()
	assert.Regexp(t, `^3\.1\.`, d.Version)
	assert.Len(t, d.Paths, len(routes))
	for _, to := range routes {
		operations := d.Paths[to.path]
		require.Equal(t, []string{strings.ToLower(to.method)}, keys(operations), to.path)
		o := operations[strings.ToLower(to.method)]
		assert.Equal(t, to.guarded, len(o.Security) > 0, "%s: security", to.path)
		assert.Equal(t, to.method == http.MethodPost, o.RequestBody != nil, "%s: body", to.path)
		var parameters []string
		for _, p := range o.Parameters {
			parameters = append(parameters, p.Name)
		}
		if to.query == "" {
			assert.Empty(t, parameters, to.path)
		} else {
			assert.Equal(t, []string{to.query}, parameters, to.path)
		}
		if to.leader {
			assert.Contains(t, o.Responses, "421", to.path)
		}
	}
}

func TestDescriptionHasTheFieldsOfRequests(t *testing.T) {
	for path, into := range map[string]any{
		"/leadership/transfer": &transferRequest{}, "/leadership/stepdown": &emptyRequest{}, "/snapshot": &emptyRequest{},
		"/nodes/add": &addRequest{}, "/nodes/remove": &removeRequest{}, "/apply": &applyRequest{}, "/read": &readRequest{},
	} {
		reference := described().Paths[path]["post"].RequestBody.Content[jsonType].Schema.Ref
		schema := described().Components.Schemas[reference[strings.LastIndex(reference, "/")+1:]]
		properties, _ := schema["properties"].(map[string]any)
		assert.ElementsMatch(t, namesOf(into), keys(properties), path)
		assert.Equal(t, false, schema["additionalProperties"], "%s: unknown fields are refused", path)
		if bodies[path] != "" {
			assertFits(t, reference, []byte(bodies[path]))
		}
	}
}

func TestDescriptionHasExactlyTheCodesThereAre(t *testing.T) {
	properties, _ := described().Components.Schemas["Failure"]["properties"].(map[string]any)
	code, _ := properties["code"].(map[string]any)
	enumerated, _ := code["enum"].([]any)
	var names []any
	for _, name := range keys(statuses) {
		names = append(names, name)
	}
	assert.ElementsMatch(t, names, enumerated)
}

func TestDescriptionNamesThePrefixAsItsServer(t *testing.T) {
	for prefix, want := range map[string]string{"": "/", "/raft": "/raft", "/a/b-c": "/a/b-c"} {
		w := ask(t, handlerOf(t, newFake(), Options{Prefix: prefix}), http.MethodGet, prefix+"/openapi.json", "")
		require.Equal(t, http.StatusOK, w.Code)
		var d description
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &d))
		require.Len(t, d.Servers, 1)
		assert.Equal(t, want, d.Servers[0].URL)
	}
}
