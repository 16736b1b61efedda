package delta

import "encoding/json"

// action is one line of a commit: exactly one of its members is set.
// Source: PROTOCOL.md, actions.
type action struct {
	CommitInfo *commitInfo `json:"commitInfo,omitempty" parquet:"-"`
	Protocol   *protocol   `json:"protocol,omitempty" parquet:"protocol,optional"`
	MetaData   *metaData   `json:"metaData,omitempty" parquet:"metaData,optional"`
	Txn        *txn        `json:"txn,omitempty" parquet:"txn,optional"`
	Add        *add        `json:"add,omitempty" parquet:"add,optional"`
	Remove     *remove     `json:"remove,omitempty" parquet:"remove,optional"`
}

// commitInfo tells people what a commit did. ID tells us whose it is.
type commitInfo struct {
	Timestamp           int64             `json:"timestamp"` // ms
	Operation           string            `json:"operation"`
	OperationParameters map[string]string `json:"operationParameters"`
	OperationMetrics    map[string]string `json:"operationMetrics,omitempty"`
	ReadVersion         *int64            `json:"readVersion,omitempty"`
	IsBlindAppend       bool              `json:"isBlindAppend"`
	EngineInfo          string            `json:"engineInfo"`
	UserMetadata        string            `json:"userMetadata,omitempty"`
	ID                  string            `json:"txnId"`
}

// UnmarshalJSON reads only whose commit it is and its note: the rest is each engine's own, in shape too.
func (c *commitInfo) UnmarshalJSON(text []byte) error {
	var own struct {
		ID           any `json:"txnId"`
		UserMetadata any `json:"userMetadata"`
	}
	err := json.Unmarshal(text, &own)
	c.ID, _ = own.ID.(string)
	c.UserMetadata, _ = own.UserMetadata.(string)
	return err
}

type protocol struct {
	MinReaderVersion *int32 `json:"minReaderVersion" parquet:"minReaderVersion,optional"`
	MinWriterVersion *int32 `json:"minWriterVersion" parquet:"minWriterVersion,optional"`
}

type metaData struct {
	ID               *string           `json:"id" parquet:"id,optional"` // uuid
	Name             *string           `json:"name,omitempty" parquet:"name,optional"`
	Description      *string           `json:"description,omitempty" parquet:"description,optional"`
	Format           fileFormat        `json:"format" parquet:"format"`
	SchemaString     *string           `json:"schemaString" parquet:"schemaString,optional"`
	PartitionColumns []string          `json:"partitionColumns" parquet:"partitionColumns,list"`
	Configuration    map[string]string `json:"configuration" parquet:"configuration"`
	CreatedTime      *int64            `json:"createdTime,omitempty" parquet:"createdTime,optional"` // ms
}

type fileFormat struct {
	Provider string            `json:"provider" parquet:"provider"`
	Options  map[string]string `json:"options" parquet:"options"`
}

// txn is how far an application has come. Versions of one appId rise.
type txn struct {
	AppID       *string `json:"appId" parquet:"appId,optional"`
	Version     *int64  `json:"version" parquet:"version,optional"`
	LastUpdated *int64  `json:"lastUpdated,omitempty" parquet:"lastUpdated,optional"` // ms
}

type add struct {
	Path             *string           `json:"path" parquet:"path,optional"` // relative to the table, URL-encoded
	PartitionValues  map[string]string `json:"partitionValues" parquet:"partitionValues"`
	Size             *int64            `json:"size" parquet:"size,optional"`                         // bytes, exact
	ModificationTime *int64            `json:"modificationTime" parquet:"modificationTime,optional"` // ms
	DataChange       *bool             `json:"dataChange" parquet:"dataChange,optional"`
	Stats            *string           `json:"stats,omitempty" parquet:"stats,optional"` // JSON text
}

type remove struct {
	Path                 *string           `json:"path" parquet:"path,optional"`
	DeletionTimestamp    *int64            `json:"deletionTimestamp,omitempty" parquet:"deletionTimestamp,optional"` // ms
	DataChange           *bool             `json:"dataChange" parquet:"dataChange,optional"`
	ExtendedFileMetadata *bool             `json:"extendedFileMetadata,omitempty" parquet:"extendedFileMetadata,optional"`
	PartitionValues      map[string]string `json:"partitionValues,omitempty" parquet:"partitionValues"`
	Size                 *int64            `json:"size,omitempty" parquet:"size,optional"`
}

// value is what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
