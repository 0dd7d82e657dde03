"""What a look at a device has found: its picture, its facts, what does not suit; and the choice of its streams."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from overt.contract.assignment import shown_url
from overt.control.estate import looks
from overt.control.estate.advice import advice
from overt.control.estate.camera_pages import by, to_camera
from overt.control.estate.forms import amended, worded
from overt.control.estate.history import ChangedMeanwhileError
from overt.control.estate.probing import FoundStream, ProbeResult
from overt.control.estate.register import camera_to_change
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.errors import InvalidError, MissingError, UnavailableError

NO_SUB: Final = "none"


class ChoiceForm(forms.Form):
    """Which of the streams that were found are used."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    main = forms.TypedChoiceField(label="Main stream: recorded at full quality", coerce=int)
    sub = forms.ChoiceField(label="Substream: the small one, for walls")

    def __init__(self, *args: Any, found: ProbeResult, **named: Any) -> None:
        """Offer the streams that gave a picture."""
        super().__init__(*args, **named)
        choices = [(str(number), _in_short(number, each)) for number, each in enumerate(found.streams) if each.works]
        worded(self)
        self.fields["main"].choices = choices  # type: ignore[attr-defined]  # of a choice field
        self.fields["sub"].choices = [*choices, (NO_SUB, "None")]  # type: ignore[attr-defined]

    def sub_place(self) -> int | None:
        """Return the substream's place; None: there is to be none."""
        chosen: str = self.cleaned_data["sub"]
        return None if chosen == NO_SUB else int(chosen)


def _in_short(number: int, stream: FoundStream) -> str:
    size = f", {stream.width:.0f} by {stream.height:.0f}" if stream.width and stream.height else ""
    return f"Stream {number + 1} ({stream.codec_words}{size})"


def facts(stream: FoundStream) -> list[tuple[str, str]]:
    """Return what was found of a stream, as rows of a table."""
    offset = stream.clock_offset_s
    size = f"{stream.width:.0f} by {stream.height:.0f} pixels" if stream.width and stream.height else ""
    rows = [
        ("Address", shown_url(stream.url)),
        ("Codec", f"{stream.codec_words}{f' ({stream.codecs})' if stream.codecs else ''}"),
        ("Size", size),
        ("Frames a second", f"{stream.fps:.3g}" if stream.fps is not None else ""),
        ("Keyframe every", f"{stream.gop_s:.3g} s{' or more' if stream.gop_is_least else ''}" if stream.gop_s else ""),
        ("Bit rate", f"{stream.bitrate_bps / 1000:,.0f} kb/s" if stream.bitrate_bps is not None else ""),
        ("Sound", stream.audio or "none"),
        (
            "Clock against this machine's",
            f"{offset:+.1f} s".replace("-0.0", "+0.0") if offset is not None else "not told",
        ),
    ]
    return [(words, value or "not known") for words, value in rows]


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "HEAD", "POST"])
def look(request: Asked, camera: UUID, look: UUID) -> HttpResponse:
    """Show what was found, and put the device behind its camera once its streams are chosen."""
    row = camera_to_change(request.rights, camera)
    kept = looks.read(look, row, by(request))
    found = kept.found
    main, sub = found.suggested()
    form = ChoiceForm(
        found=found, initial={"version": kept.version, "main": main, "sub": NO_SUB if sub is None else sub}
    )
    status, problem = 200, ""
    if request.method == "POST" and request.POST.get("act") == "again":
        try:
            fresh = looks.again(look, row, by(request))
            return HttpResponseRedirect(reverse("estate:look", args=[camera, fresh]))
        except UnavailableError as error:
            status, problem = error.http_status, f"Nobody could look at the device: {error}"
    elif request.method == "POST":
        form, status = ChoiceForm(request.POST, found=found), 400
        try:
            if form.is_valid():
                data = form.cleaned_data
                looks.use(look, row, data["version"], data["main"], form.sub_place(), by(request))
                messages.success(request, "The device was saved with its streams.")
                return to_camera(camera)
        except ChangedMeanwhileError as error:
            status = error.http_status
            form.add_error(None, str(error))
            form.data = amended(form, version=str(error.version))
        except InvalidError as error:
            form.add_error(None, str(error))
    streams = [
        {
            "number": number,
            "works": each.works,
            "error": each.error,
            "facts": facts(each),
            "picture": reverse("estate:look-picture", args=[camera, look, number]) if each.picture else "",
            "codec": each.codec_words,
        }
        for number, each in enumerate(found.streams)
    ]
    context = {
        "camera": row,
        "form": form,
        "problem": problem,
        "streams": streams,
        "found": found,
        "host": kept.device.host,
        "works": main is not None,
        "advice": advice(found, main, sub, audio=row.audio),
        "back": reverse("estate:replace-device" if kept.replace else "estate:device", args=[camera]),
    }
    return render(request, "estate/look.html", context, status=status)


@asks(Action.CHANGE_CAMERAS)
@require_safe
def picture(request: Asked, camera: UUID, look: UUID, number: int) -> HttpResponse:
    """Give one keyframe of a stream that was looked at, as an fMP4 file; the browser decodes it."""
    row = camera_to_change(request.rights, camera)
    streams = looks.read(look, row, by(request)).found.streams
    content = streams[number].picture_bytes() if number < len(streams) else None
    if content is None:
        msg = "This stream gave no picture."
        raise MissingError(msg)
    answer = HttpResponse(content, content_type="video/mp4")
    answer["Cache-Control"] = "no-store"
    answer["Content-Disposition"] = "inline"
    return answer
