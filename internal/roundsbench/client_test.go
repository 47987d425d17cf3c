package roundsbench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// client asks over one connection of its own. It does next to nothing, so that a measurement is of
// the server and not of net/http's client, which takes more time than the server does; and it sends
// nothing twice.
type client struct {
	address    string
	id         string   // empty for none
	connection net.Conn // nil before the first question
	reader     *bufio.Reader
	request    []byte
}

// connect is done by the first question otherwise. A server does not wait long for one.
func (c *client) connect() error {
	connection, err := net.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	c.connection, c.reader = connection, bufio.NewReader(connection)
	return nil
}

func (c *client) close() {
	if c.connection != nil {
		_ = c.connection.Close()
	}
}

// ask returns the status and the body of the answer.
func (c *client) ask(operation, round string) (status int, body string, err error) {
	if c.connection == nil {
		if err := c.connect(); err != nil {
			return 0, "", err
		}
	}
	c.request = fmt.Appendf(c.request[:0], "GET /api/v1/%s/%s/%s HTTP/1.1\r\nHost: s3lect\r\n", operation, system, round)
	if c.id != "" {
		c.request = fmt.Appendf(c.request, "X-Candidate-Id: %s\r\n", c.id)
	}
	c.request = append(c.request, "\r\n"...)
	if _, err := c.connection.Write(c.request); err != nil {
		return 0, "", err
	}
	return c.answer()
}

func (c *client) answer() (status int, body string, err error) {
	line, err := c.line()
	if err != nil {
		return 0, "", err
	}
	fields := bytes.Fields(line)
	if len(fields) < 2 {
		return 0, "", fmt.Errorf("not a status line: %q", line)
	}
	if status, err = strconv.Atoi(string(fields[1])); err != nil {
		return 0, "", fmt.Errorf("not a status: %w", err)
	}
	length := 0
	for {
		if line, err = c.line(); err != nil {
			return 0, "", err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, "", fmt.Errorf("not a length: %w", err)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, "", errors.New("an answer in chunks, which this client does not know")
		}
	}
	data := make([]byte, length)
	_, err = io.ReadFull(c.reader, data)
	return status, string(data), err
}

func (c *client) line() ([]byte, error) {
	line, err := c.reader.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}
