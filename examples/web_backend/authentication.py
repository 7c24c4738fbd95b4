"""Who is signed in. THIS IS A STUB: replace `signed_in` before anything depends on it.

The rest of the application relies only on `SignedIn`: a `Person` whom your identity provider
vouches for, with their permissions. The stub takes the name from a cookie that anybody can set,
and only while `demo_sign_in` is on; otherwise it lets nobody in.

A real session cookie is named `__Host-...`, is `Secure`, `HttpOnly` and `SameSite=Strict`, holds
an unguessable reference or a signature, and ends when the person signs out. The application has
the other protections that a cookie needs: edge.py refuses changes that another site's page asks
for, and bodies are JSON, which such a page can send only with our permission.

A name from a proxy's header needs decoding: a server reads the bytes as Latin-1, so that `José` in
UTF-8 arrives as `JosÃ©`. docs/web.md, "One person, one name", says what else to do at sign-in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Cookie, Depends, HTTPException, Request, Response, status
from pydantic import BaseModel

from .problems import ProblemError


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has signed in, with their permissions."""

    name: str
    """The invoker of their events: one name for each person, never given to anybody else."""
    profiles: frozenset[str]
    """The profiles that they may open in an emergency."""
    is_reviewer: bool = False
    """Whether they may close and shorten other people's access, review its use, and hold events.

    They may never extend other people's access, nor review their own."""
    mfa_method: str | None = None
    """The second factor that they signed in with, such as "security-key"; None if without one.

    Their events record it, because rules can require it."""


PROFILES = frozenset({"production", "staging", "billing", "customer-data"})
DEMO_PEOPLE = {
    person.name: person
    for person in (
        Person("alice", PROFILES),
        Person("bob", PROFILES - {"customer-data"}),
        Person("rita", frozenset({"production"}), is_reviewer=True),
        Person("sam", frozenset({"staging"}), is_reviewer=True),
    )
}
COOKIE = "demo_person"


async def signed_in(
    request: Request, demo_person: Annotated[str | None, Cookie(include_in_schema=False)] = None
) -> Person:
    """Return the signed-in person, or refuse with 401."""
    person = DEMO_PEOPLE.get(unquote(demo_person or ""))
    if person is None or not request.app.state.settings.demo_sign_in:
        raise ProblemError(
            status.HTTP_401_UNAUTHORIZED,
            "not-signed-in",
            "You are not signed in",
            "Sign in and try again.",
            # Every 401 must name a way to sign in; cookies have no registered name.
            headers={"WWW-Authenticate": "Cookie"},
        )
    return person


SignedIn = Annotated[Person, Depends(signed_in)]


class DemoSignIn(BaseModel):
    name: str


demo_router = APIRouter(prefix="/demo/sign-in", include_in_schema=False)


@demo_router.get("")
async def demo_people() -> list[str]:
    """List the people that one can sign in as."""
    return [*DEMO_PEOPLE]


@demo_router.post("", status_code=status.HTTP_204_NO_CONTENT)
async def demo_sign_in(choice: DemoSignIn, response: Response) -> None:
    """Sign in as somebody, without any proof."""
    if choice.name not in DEMO_PEOPLE:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    # A cookie's value must be ASCII; a name need not be.
    response.set_cookie(COOKIE, quote(choice.name), httponly=True, samesite="strict")
