//go:build !race

package s3lect_test

const raceEnabled = false
