// A refusal is a value. Inside the service it is made here, so that no field is forgotten.

import { type Refusal, type RefusalCode } from '@twotick/protocol'

/** A refusal with a developer's detail; never an account id in it. */
export function refuse(code: RefusalCode, detail = '', retryAfterMs = 0): Refusal {
  return { code, detail, retryAfterMs }
}
