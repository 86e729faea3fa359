// Package compose holds the end-to-end suite of the Compose lab: black box, by wire and command line only.
//
// TestMain brings the lab of ../../docker-compose.yml up through testcontainers' compose module, once for all tests,
// and takes it down afterwards. Tests reach it by [lab]. It uses the image correio:local and the command that the
// environment variable CORREIO_BIN names (../../.cache/bin/correio by default); what is missing is built first, by
// scripts/up --build-only. What an earlier run left behind is removed before and after; a lab that somebody is using
// is left alone, and the suite says so and fails, because both would want the same addresses.
package compose
