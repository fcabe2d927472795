"""Airtable's refusals, with the statuses, types and words of https://airtable.com/developers/web/api/errors."""


class ApiError(Exception):
    """An answer that is not 200; without a message the type stands alone, the second shape Airtable uses."""

    def __init__(self, status: int, kind: str, message: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(f"{status} {kind}: {message}")
        self.status = status
        self.kind = kind
        self.message = message
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, object]:
        """The JSON of the answer."""
        return {"error": {"type": self.kind, "message": self.message} if self.message else self.kind}

    def headers(self) -> dict[str, str]:
        """`Retry-After`, where there is one."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


def not_json() -> ApiError:
    """The body cannot be read."""
    return ApiError(400, "INVALID_REQUEST_BODY", "Could not parse request body")


def no_token() -> ApiError:
    """The token is missing or wrong."""
    return ApiError(401, "AUTHENTICATION_REQUIRED", "Authentication required")


def no_model() -> ApiError:
    """No rights, or no such base or table: Airtable does not say which."""
    return ApiError(
        403,
        "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
        "Invalid permissions, or the requested model was not found. Check that both your user and your token have the required "
        "permissions, and that the model names and/or ids are correct.",
    )


def locked(name: str, field_id: str) -> ApiError:
    """The field may only be written by others."""
    return ApiError(403, "INVALID_PERMISSIONS", f"You are not permitted to write cell values in field {name} ({field_id})")


def not_found(*, as_object: bool) -> ApiError:
    """No such record or route; both shapes were seen."""
    return ApiError(404, "NOT_FOUND", "Not found" if as_object else "")


def invalid(message: str) -> ApiError:
    """The request's own form is wrong: a parameter, a count, a length."""
    return ApiError(422, "INVALID_REQUEST_UNKNOWN", message)


def unknown_field(name: str) -> ApiError:
    """No field of this name or id."""
    return ApiError(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')


def unknown_option(name: str) -> ApiError:
    """A select has no such option, and `typecast` was not asked for."""
    return ApiError(422, "INVALID_MULTIPLE_CHOICE_OPTIONS", f'Insufficient permissions to create new select option "{name}"')


def computed(name: str) -> ApiError:
    """The field's values are Airtable's own."""
    return ApiError(422, "INVALID_VALUE_FOR_COLUMN", f'Field "{name}" cannot accept a value because the field is computed')


def wrong_value(name: str) -> ApiError:
    """The value's type is not the field's."""
    return ApiError(422, "INVALID_VALUE_FOR_COLUMN", f'Field "{name}" cannot accept the provided value')


def no_row(record_id: object) -> ApiError:
    """A record that a write names is missing."""
    return ApiError(422, "ROW_DOES_NOT_EXIST", f"Record ID {record_id} does not exist")


def wrong_attachment(name: str) -> ApiError:
    """Not `{"url": …}`, nor the `{"id": …}` of an attachment that is in the cell."""
    return ApiError(
        422, "INVALID_ATTACHMENT_OBJECT", f'Invalid attachment object for field "{name}": give a url, or the id of one to keep'
    )


def wrong_formula(why: str) -> ApiError:
    """The formula is outside of what Airtable, or this stand-in, understands."""
    return ApiError(422, "INVALID_FILTER_BY_FORMULA", f"The formula for filtering records is invalid: {why}")


def no_iterator() -> ApiError:
    """The offset is unknown or too old: list again from the first page."""
    return ApiError(
        422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "The iterator is no longer available; start again from the first page"
    )


def rate_limited(retry_after_s: int | None) -> ApiError:
    """More than five requests in a second, or the 30 seconds after that."""
    return ApiError(429, "RATE_LIMIT_REACHED", "Rate limit exceeded. Please try again later", retry_after_s=retry_after_s)


def quota_used_up() -> ApiError:
    """The workspace's calls of this month are used up; no wait helps."""
    return ApiError(
        429,
        "PUBLIC_API_BILLING_LIMIT_EXCEEDED",
        "API billing plan limit exceeded. Please upgrade your plan or wait for next month",
    )
