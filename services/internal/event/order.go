package event

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// orderedKeys returns the keys of a JSON object of strings in the order in
// which data holds them.
func orderedKeys(data []byte, object map[string]string) []string {
	keys := make([]string, 0, len(object))
	dec := json.NewDecoder(bytes.NewReader(data))
	for {
		token, err := dec.Token()
		if err != nil {
			return slices.Sorted(maps.Keys(object))
		}
		if _, ok := token.(json.Delim); ok {
			if len(keys) > 0 || len(object) == 0 {
				return keys
			}
			continue
		}
		key, ok := token.(string)
		if !ok {
			return slices.Sorted(maps.Keys(object))
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
		if _, err := dec.Token(); err != nil {
			return slices.Sorted(maps.Keys(object))
		}
	}
}
