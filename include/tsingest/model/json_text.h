// Checks and walks over raw JSON text (RFC 8259) without building a document.
#ifndef TSINGEST_MODEL_JSON_TEXT_H_
#define TSINGEST_MODEL_JSON_TEXT_H_

#endif  // TSINGEST_MODEL_JSON_TEXT_H_
