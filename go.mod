module github.com/seed-6dc909bb/s3lect

go 1.25
