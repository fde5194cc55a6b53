"""Dashboard routes."""

from django.urls import path

from calls.dashboard import (
    call_list,
    figure_views,
    overview_views,
    palette,
    place_call,
    policy_views,
    recording_pages,
    saved_views,
    scheduling,
    views,
)

urlpatterns = [
    path("", overview_views.first_page, name="overview"),
    path("palette", palette.palette, name="palette"),
    path("calls", call_list.calls, name="calls"),
    path("calls.csv", call_list.calls_csv, name="calls-csv"),
    path("calls/delete", call_list.delete_kept, name="delete-kept"),
    path("calls/new", place_call.call_someone, name="call-someone"),
    path("calls/views", saved_views.save_view, name="save-call-view"),
    path("calls/views/<int:pk>", saved_views.change_view, name="change-call-view"),
    path("calls/charts", figure_views.call_figures, name="call-figures"),
    path("calls/charts.csv", figure_views.call_figures_csv, name="call-figures-csv"),
    path("calls/scheduled", scheduling.scheduled, name="scheduled-calls"),
    path("calls/scheduled/<int:pk>/cancel", scheduling.cancel, name="cancel-scheduled-call"),
    path("calls/<str:identifier>", views.call, name="call"),
    path("agents/try-tool", views.try_tool, name="try-tool"),
    path("lookup/try", views.try_lookup, name="try-lookup"),
    path("calls/<str:identifier>/recording/delete", recording_pages.delete_recording, name="delete-recording"),
    path("calls/<str:identifier>/waveform.svg", recording_pages.drawing, name="waveform"),
    path("calls/<str:identifier>/panel/<slug:name>", recording_pages.panel, name="call-panel"),
    path("recordings/<str:token>", recording_pages.recording_file, name="recording-file"),
    path("calls/<str:identifier>/hang-up", views.hang_up, name="hang-up"),
    path("calls/<str:identifier>/whisper", views.whisper, name="whisper"),
    path("calls/<str:identifier>/transfer", views.transfer, name="transfer-call"),
    path("policy", policy_views.policy, name="policy"),
    path("do-not-call", policy_views.do_not_call, name="do-not-call"),
    path("do-not-call/import", policy_views.import_numbers, name="import-do-not-call"),
    path("do-not-call/export", policy_views.export_numbers, name="export-do-not-call"),
    path("do-not-call/<int:pk>/remove", policy_views.remove_number, name="remove-do-not-call"),
]
