/** Validation by the zod schemas of the routes; what does not fit is named field by field. */
import type { FastifySchema, FastifySchemaCompiler } from 'fastify';
import { z } from 'zod';
import { RingbackError, type FieldFault } from '../../errors.ts';

/** Enough to correct a request by; a hostile one does not choose the size of its answer. */
const MAX_FAULTS = 20;
const LONGEST_FIELD = 200;

export const validatorCompiler: FastifySchemaCompiler<FastifySchema> = ({ schema, httpPart }) => {
  if (!(schema instanceof z.ZodType)) throw new TypeError('a route schema must be a zod schema');
  // Whatever stands in a path is a text, which is all that these schemas say.
  if (httpPart === 'params') return (value: unknown) => ({ value });
  return (value: unknown) => {
    // A body may be left out where nothing in it is required.
    const result = schema.safeParse(httpPart === 'body' ? (value ?? {}) : value);
    if (result.success) return { value: result.data };
    return { error: new RingbackError('invalid_request', { faults: faultsOf(result.error, httpPart ?? 'body') }) };
  };
};

/** @param part `body` or `querystring` */
export function faultsOf(error: z.ZodError, part: string): FieldFault[] {
  return error.issues.flatMap((issue) => faultsOfIssue(issue, part)).slice(0, MAX_FAULTS);
}

function faultsOfIssue(issue: z.core.$ZodIssue, part: string): FieldFault[] {
  if (issue.code !== 'unrecognized_keys') return [{ field: fieldName(issue.path, part), message: issue.message }];
  return issue.keys.map((key) => ({ field: fieldName([...issue.path, key], part), message: 'this field is not known here' }));
}

/** `/a/b` in a body (RFC 6901), `?limit` in a query. */
function fieldName(path: readonly PropertyKey[], part: string): string {
  const steps = path.map(String);
  const text =
    part === 'querystring'
      ? `?${steps.join('.')}`
      : steps.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return text.slice(0, LONGEST_FIELD);
}
