// Package pgserver runs PostgreSQL servers for tests.
package pgserver

// Password is the one of a server's only user. It is nowhere in the output of what is tested.
const Password = "a-secret-of-the-test"
