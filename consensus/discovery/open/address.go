package open

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// address is a URL without its scheme. It is not read as other URLs are, because a list of hosts with ports is none.
type address struct {
	hosts  string
	path   string // without the first slash
	values url.Values
	err    error // the first one of taking parameters
}

func parse(rest string) (*address, error) {
	place, query, _ := strings.Cut(rest, "?")
	hosts, path, _ := strings.Cut(place, "/")
	switch {
	case strings.Contains(hosts, "@"):
		return nil, errors.New("the name of a user or a secret does not belong before the host, where everybody sees it")
	case strings.Contains(rest, "#"):
		return nil, errors.New("it has a #, which means nothing here")
	case hosts == "":
		return nil, errors.New("there is no host or name after ://")
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return nil, errors.New("the path has a % without two hexadecimal digits behind it")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("the parameters after the ? are not of the form name=value&name=value")
	}
	return &address{hosts: hosts, path: path, values: values}, nil
}

func (a *address) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// text takes a parameter, so that those that are left in the end are unknown; empty if it is missing.
func (a *address) text(name string) string {
	values := a.values[name]
	delete(a.values, name)
	switch {
	case len(values) == 0:
		return ""
	case len(values) > 1:
		a.fail(fmt.Errorf("parameter %s is given %d times", name, len(values)))
	case values[0] == "":
		a.fail(fmt.Errorf("parameter %s is empty", name))
	}
	return values[0]
}

func (a *address) duration(name string) time.Duration {
	text := a.text(name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		a.fail(fmt.Errorf("parameter %s is %.40q, not a time such as 5s", name, text))
	}
	return d
}

func (a *address) boolean(name string) bool {
	text := a.text(name)
	if text != "" && text != "true" && text != "false" {
		a.fail(fmt.Errorf("parameter %s is %.40q, neither true nor false", name, text))
	}
	return text == "true"
}

// done returns the first error, or that of a parameter that nobody has taken.
func (a *address) done() error {
	if a.err != nil || len(a.values) == 0 {
		return a.err
	}
	unknown := make([]string, 0, len(a.values))
	for name := range a.values {
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	name := unknown[0]
	for _, secret := range []string{"token", "password", "secret"} {
		if strings.Contains(strings.ToLower(name), secret) {
			return fmt.Errorf("unknown parameter %.40q: secrets are in files or environment variables, not in URLs", name)
		}
	}
	return fmt.Errorf("unknown parameter %.40q", name)
}
