package page

import (
	"math"
	"regexp"
	"strconv"
	"testing"
)

// WCAG 2.2, 1.4.3: text needs a contrast of 4.5:1 to what is behind it.
func TestTextHasContrastInBothThemes(t *testing.T) {
	css := files(t)["assets/style.css"]
	blocks := regexp.MustCompile(`(?s):root \{.*?\}`).FindAllString(css, -1)
	if len(blocks) != 2 {
		t.Fatalf("the style has %d sets of colours, want a light and a dark one", len(blocks))
	}
	for i, theme := range []string{"light", "dark"} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--(\w+): #([0-9a-f]{6})`).FindAllStringSubmatch(blocks[i], -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, ground := range []string{"ground", "raised"} {
			for _, word := range []string{"text", "quiet", "accent", "good", "odd", "bad", "off"} {
				a, b := colours[word], colours[ground]
				if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
					t.Errorf("%s: %s on %s has %.2f:1", theme, word, ground, ratio)
				}
			}
		}
	}
}

// luminance is WCAG's relative luminance of a colour, rrggbb.
func luminance(t *testing.T, hex string) float64 {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	channel := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}
