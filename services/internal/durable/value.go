package durable

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// bind sets parameter i (from 1) and returns how many bytes of text or blob
// it holds.
func bind(stmt *sqlite3.Stmt, i int, value any) (int, error) {
	switch v := value.(type) {
	case nil:
		return 0, stmt.BindNull(i)
	case int:
		return 0, stmt.BindInt64(i, int64(v))
	case int64:
		return 0, stmt.BindInt64(i, v)
	case string:
		return len(v), stmt.BindText(i, v)
	case []byte:
		return len(v), stmt.BindBlob(i, v)
	case bool:
		return 0, stmt.BindBool(i, v)
	case time.Time:
		if v.IsZero() {
			return 0, stmt.BindNull(i)
		}
		return 0, stmt.BindInt64(i, v.UnixNano())
	}
	return bindKind(stmt, i, reflect.ValueOf(value))
}

// bindKind binds the rarer kinds and named types.
func bindKind(stmt *sqlite3.Stmt, i int, v reflect.Value) (int, error) {
	switch {
	case v.CanInt():
		return 0, stmt.BindInt64(i, v.Int())
	case v.CanUint():
		if v.Uint() > math.MaxInt64 {
			return 0, fmt.Errorf("%d overflows a 64-bit signed integer", v.Uint())
		}
		return 0, stmt.BindInt64(i, int64(v.Uint()))
	case v.CanFloat():
		return 0, stmt.BindFloat(i, v.Float())
	case v.Kind() == reflect.String:
		return v.Len(), stmt.BindText(i, v.String())
	case v.Kind() == reflect.Bool:
		return 0, stmt.BindBool(i, v.Bool())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		return v.Len(), stmt.BindBlob(i, v.Bytes())
	}
	return 0, fmt.Errorf("cannot store a %s", v.Type())
}

// scanColumn copies column i (from 0) to what dest points to.
func scanColumn(stmt *sqlite3.Stmt, i int, dest any) error {
	switch d := dest.(type) {
	case *int:
		*d = stmt.ColumnInt(i)
	case *int64:
		*d = stmt.ColumnInt64(i)
	case *string:
		*d = stmt.ColumnText(i)
	case *[]byte:
		*d = stmt.ColumnBlob(i, nil)
	case *bool:
		*d = stmt.ColumnBool(i)
	case *time.Time:
		*d = time.Time{}
		if stmt.ColumnType(i) != sqlite3.NULL {
			*d = time.Unix(0, stmt.ColumnInt64(i)).UTC()
		}
	default:
		return scanKind(stmt, i, reflect.ValueOf(dest))
	}
	return nil
}

// scanKind copies into the rarer kinds and named types.
func scanKind(stmt *sqlite3.Stmt, i int, dest reflect.Value) error {
	if dest.Kind() != reflect.Pointer || dest.IsNil() {
		return fmt.Errorf("cannot scan into a %s", dest.Type())
	}
	v := dest.Elem()
	switch {
	case v.CanInt():
		n := stmt.ColumnInt64(i)
		if v.OverflowInt(n) {
			return fmt.Errorf("%d overflows %s", n, v.Type())
		}
		v.SetInt(n)
	case v.CanUint():
		n := stmt.ColumnInt64(i)
		if n < 0 || v.OverflowUint(uint64(n)) {
			return fmt.Errorf("%d overflows %s", n, v.Type())
		}
		v.SetUint(uint64(n))
	case v.CanFloat():
		v.SetFloat(stmt.ColumnFloat(i))
	case v.Kind() == reflect.String:
		v.SetString(stmt.ColumnText(i))
	case v.Kind() == reflect.Bool:
		v.SetBool(stmt.ColumnBool(i))
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes(stmt.ColumnBlob(i, nil))
	default:
		return fmt.Errorf("cannot scan into a %s", v.Type())
	}
	return nil
}
