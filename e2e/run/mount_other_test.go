//go:build !linux

package run

import "testing"

// What only Linux has, as `correio run` itself.

func mountSmall(t *testing.T, _ string, _ int) { t.Fatal("Linux only") }

func fill(t *testing.T, _ string) (free func()) { t.Fatal("Linux only"); return nil }

func addPeers(t *testing.T) { t.Fatal("Linux only") }
