// What a store answers, as services/envelope-store/src/grpc.ts has it.

import { answerGrpc } from '../../services/envelope-store/src/grpc.ts'
import type { Store } from '../../services/envelope-store/src/store.ts'
import type { Answers } from './calls.ts'

const known = new WeakMap<Store, Answers>()

export function answersOf(store: Store): Answers {
  const answers = known.get(store) ?? (answerGrpc(store) as unknown as Answers)
  known.set(store, answers)
  return answers
}
